"""From a revision to its pod."""

import json
import re
from dataclasses import replace

import pytest

from moorage.deployment import Revision
from moorage.serving.cluster.podspec import cores_text, pod_spec, revision_in
from tests.serving.cluster.place import EVERYTHING, PLACE, a_cluster_revision, bytes_of, read_again


def a_pod(place=PLACE, container="predictor", knative=False, **changes):
    return pod_spec(a_cluster_revision(**changes), place, container=container, knative=knative)


def fetching(pod):
    (container,) = pod["initContainers"]
    return container


def serving(pod):
    (container,) = pod["containers"]
    return container


def variables(container):
    """As the container's process sees them: `$(NAME)` replaced where NAME came before, `$$` read as `$`.

    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """
    seen: dict[str, str] = {}
    for each in container["env"]:
        expanded = re.sub(
            r"\$\$|\$\(([^)]*)\)",
            lambda found: "$" if found[0] == "$$" else seen.get(found[1], found[0]),
            each["value"],
        )
        seen[each["name"]] = expanded
    return seen


def test_the_first_container_fetches_and_the_second_serves():
    pod = a_pod()
    assert (fetching(pod)["name"], fetching(pod)["command"]) == (
        "storage-initializer",
        ["python", "-m", "moorage.runtime.fetch"],
    )
    assert serving(pod)["command"] == ["python", "-m", "moorage.runtime"]


def test_the_serving_container_is_called_as_its_tool_wants():
    assert serving(a_pod(container="kserve-container"))["name"] == "kserve-container"


def test_both_containers_run_the_image_of_the_environment():
    pod = a_pod(image="registry.test/mine:7")
    assert fetching(pod)["image"] == serving(pod)["image"] == "registry.test/mine:7"


def test_the_fetch_is_told_what_to_fetch_from_where_to_where():
    told = variables(fetching(a_pod()))
    assert Revision.model_validate_json(told.pop("MOORAGE_REVISION")) == a_cluster_revision()
    assert told == {
        "MOORAGE_STORE": "s3://models/team",
        "MOORAGE_REPORT_FILE": "/dev/termination-log",
        "MODEL_FILES_PATH": "/mnt/models",
        "ARTIFACT_FILES_PATH": "/mnt/artifacts",
        "HOME": "/tmp",  # noqa: S108 -- the pod's own
    }


def test_the_server_is_told_what_it_serves_and_the_script_what_it_may_read():
    told = variables(serving(a_pod(deployment="Iris")))
    assert Revision.model_validate_json(told.pop("MOORAGE_REVISION")) == a_cluster_revision(deployment="Iris")
    assert told == {
        "MOORAGE_REPORT_FILE": "/dev/termination-log",
        "MOORAGE_LISTEN_PORT": "8080",
        "PYTHONUNBUFFERED": "1",
        "HOME": "/tmp",  # noqa: S108 -- the pod's own
        "MODEL_FILES_PATH": "/mnt/models",
        "ARTIFACT_FILES_PATH": "/mnt/artifacts",
        "DEPLOYMENT_NAME": "Iris",
        "MODEL_NAME": "iris_classifier",
        "MODEL_VERSION": "1",
        "ARTIFACT_VERSION": "1",
    }


def test_the_script_finds_its_configuration_file_where_there_is_one():
    artifact = {"version": 1, "digest": "sha256:bb", "script_file": "predictor.py", "config_file": "conf.yaml"}
    assert variables(serving(a_pod(artifact=artifact)))["CONFIG_FILE_PATH"] == "/mnt/artifacts/conf.yaml"


def test_the_reports_are_where_the_kubelet_reads_them():
    for container in (fetching(a_pod()), serving(a_pod())):
        assert variables(container)["MOORAGE_REPORT_FILE"] == container["terminationMessagePath"]
        assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_the_server_listens_where_its_port_is_under_a_name_that_knative_takes():
    server = serving(a_pod())
    assert server["ports"] == [{"name": "http1", "containerPort": 8080, "protocol": "TCP"}]
    assert variables(server)["MOORAGE_LISTEN_PORT"] == "8080"


USERS = {
    "one of their own": ("THREADS", "4", "4"),
    "an empty one": ("EMPTY", "", ""),
    "a home": ("HOME", "/mnt/home", "/mnt/home"),
    "what the runtime reads": ("MOORAGE_LISTEN_PORT", "1", "8080"),
    "where the model files are": ("MODEL_FILES_PATH", "/elsewhere", "/mnt/models"),
}


@pytest.mark.parametrize(("name", "value", "seen"), USERS.values(), ids=USERS.keys())
def test_users_set_variables_but_none_of_ours(name, value, seen):
    assert variables(serving(a_pod(env_vars=[{"name": name, "value": value}])))[name] == seen


def test_what_a_secret_holds_stays_in_it():
    pod = a_pod(env_vars=[{"name": "TOKEN", "secret": "hub"}, {"name": "DB", "secret": "database", "key": "password"}])
    given = {each["name"]: each.get("valueFrom") for each in serving(pod)["env"]}
    assert given["TOKEN"] == {"secretKeyRef": {"name": "hub", "key": "TOKEN"}}
    assert given["DB"] == {"secretKeyRef": {"name": "database", "key": "password"}}
    assert list(given) == sorted(given)
    assert "MOORAGE_SECRETS" not in given


def test_the_fetch_gets_none_of_the_users_variables():
    assert "THREADS" not in variables(fetching(a_pod(env_vars=[{"name": "THREADS", "value": "4"}])))


@pytest.mark.parametrize("part", [fetching, serving])
def test_each_variable_is_named_once_in_the_order_of_names(part):
    names = [each["name"] for each in part(a_pod(**EVERYTHING))["env"]]
    assert names == sorted(set(names))


DOLLARS = ["$", "$$", "$$$", "5$", "$(HOME)", "$$(HOME)", "$(DEPLOYMENT_NAME)", "${HOME}", "$(", "$HOME", "a$b$$c"]


@pytest.mark.parametrize("value", DOLLARS)
def test_kubernetes_reads_nothing_into_a_dollar(value):
    pod = a_pod(env_vars=[{"name": "Z", "value": value}])
    assert variables(serving(pod))["Z"] == value


def test_a_dollar_is_written_twice():
    written = {
        each["name"]: each["value"] for each in serving(a_pod(env_vars=[{"name": "Z", "value": "$(HOME)"}]))["env"]
    }
    assert written["Z"] == "$$(HOME)"


def test_only_the_fetch_gets_the_stores_keys_and_only_by_reference():
    pod = a_pod(replace(PLACE, store_secret="keys"))
    assert fetching(pod)["envFrom"] == [{"secretRef": {"name": "keys"}}]
    assert "envFrom" not in serving(pod)
    assert "keys" not in bytes_of(serving(pod)).decode()


def test_without_a_secret_the_service_account_is_identity_enough():
    pod = a_pod(replace(PLACE, store_secret=None))
    assert "envFrom" not in fetching(pod)
    assert pod["serviceAccountName"] == "moorage-predictor"


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_each_probe_asks_whether_the_model_is_ready_by_its_own_name(probe):
    asked = serving(a_pod(deployment="IrisV2"))[probe]["httpGet"]
    assert asked == {"path": "/v1/models/IrisV2", "port": 8080, "scheme": "HTTP"}


def test_the_kubelet_gives_a_load_as_long_as_any_wait_could():
    probe = serving(a_pod())["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 24 * 60 * 60


def test_what_does_not_answer_any_more_gets_no_requests_after_a_quarter_of_a_minute():
    probe = serving(a_pod())["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 15


def test_only_what_hangs_for_minutes_is_started_anew():
    probe = serving(a_pod())["livenessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 5 * 60


def test_the_fetch_has_no_probes():
    assert not [name for name in fetching(a_pod()) if name.endswith("Probe")]


def test_a_pod_is_killed_only_after_its_last_answer():
    pod, drain_s = a_pod(), 20
    pause_s = serving(pod)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > pause_s + drain_s


def test_the_end_of_pods_and_the_probes_of_their_start_are_left_to_knative():
    pod, server = a_pod(knative=True), serving(a_pod(knative=True))
    assert "terminationGracePeriodSeconds" not in pod
    assert not {"lifecycle", "startupProbe", "livenessProbe"} & server.keys()
    assert server["readinessProbe"] == serving(a_pod())["readinessProbe"] | {"periodSeconds": 1}


def test_knative_takes_a_security_context_of_containers_only():
    assert "securityContext" not in a_pod(knative=True)


def test_all_else_is_the_same_with_knative():
    plain, pod = a_pod(**EVERYTHING), a_pod(knative=True, **EVERYTHING)
    serving(pod)["readinessProbe"] = serving(plain)["readinessProbe"]
    assert serving(pod).items() <= serving(plain).items()
    pod["containers"] = plain["containers"]
    assert pod.items() <= plain.items()
    assert pod.keys() | {"terminationGracePeriodSeconds"} == plain.keys()


LEAST, MOST = {"cpu": "200m", "memory": "32Mi"}, {"cpu": "2", "memory": "1024Mi"}
LARGE = {"cpu": "4500m", "memory": "4096Mi"}

# what is given -> requests, limits
AMOUNTS = {
    "nothing": ({}, LEAST, MOST),
    "more than the limits that follow": ({"requests": {"cores": 4.5, "memory_mb": 4096}}, LARGE, LARGE),
    "limits": ({"limits": {"cores": 0.5, "memory_mb": 2048}}, LEAST, {"cpu": "500m", "memory": "2048Mi"}),
    "no limits": ({"limits": {"cores": -1, "memory_mb": -1}}, LEAST, {}),
    "no limit of memory": ({"limits": {"memory_mb": -1}}, LEAST, {"cpu": "2"}),
}


@pytest.mark.parametrize(("given", "requests", "limits"), AMOUNTS.values(), ids=AMOUNTS.keys())
def test_both_containers_get_what_was_asked_for_and_at_most_the_limits_that_follow(given, requests, limits):
    pod = a_pod(resources=given)
    assert serving(pod)["resources"] == fetching(pod)["resources"] == {"requests": requests, "limits": limits}


def test_a_fetch_gets_the_memory_that_it_takes_though_the_server_has_less():
    pod = a_pod(resources={"limits": {"memory_mb": 64}})
    assert serving(pod)["resources"]["limits"]["memory"] == "64Mi"
    assert fetching(pod)["resources"]["limits"]["memory"] == "512Mi"


def test_only_the_server_holds_gpus():
    pod, gpus = a_pod(resources={"requests": {"gpus": 2}}), {"nvidia.com/gpu": "2"}
    assert serving(pod)["resources"] == {"requests": LEAST | gpus, "limits": MOST | gpus}
    assert fetching(pod)["resources"] == {"requests": LEAST, "limits": MOST}


CORES = {0.01: "10m", 0.2: "200m", 0.3: "300m", 1: "1", 1.5: "1500m", 2.0004: "2", 1024: "1024"}


@pytest.mark.parametrize(("cores", "text"), CORES.items())
def test_cores_are_written_as_the_api_server_writes_them(cores, text):
    assert cores_text(cores) == text


def test_shared_memory_is_what_was_asked_for():
    pod = a_pod(resources={"shared_memory_mb": 256})
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}} in pod["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in serving(pod)["volumeMounts"]  # noqa: S108 -- the pod's own
    assert "shm" not in [mount["name"] for mount in fetching(pod)["volumeMounts"]]


def test_unless_asked_for_shared_memory_is_the_container_runtimes():
    assert "shm" not in bytes_of(a_pod()).decode()


def test_the_server_reads_the_files_that_the_fetch_writes():
    pod = a_pod()
    assert {"name": "files", "mountPath": "/mnt"} in fetching(pod)["volumeMounts"]
    assert {"name": "files", "mountPath": "/mnt", "readOnly": True} in serving(pod)["volumeMounts"]


def test_files_live_as_long_as_the_pod():
    assert a_pod()["volumes"] == [{"name": "files", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]


@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["least", "everything"])
def test_what_is_mounted_is_there(changes):
    pod = a_pod(**changes)
    mounted = {mount["name"] for part in (fetching(pod), serving(pod)) for mount in part["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_anywhere_will_do_unless_a_place_is_given():
    assert not {"nodeSelector", "tolerations"} & a_pod().keys()


def test_only_nodes_with_these_labels_will_do():
    assert a_pod(placement={"node_selector": {"zone": "b", "disk": "ssd"}})["nodeSelector"] == {
        "disk": "ssd",
        "zone": "b",
    }


TOLERATED = {
    "any value, any effect": ({"key": "gpu"}, {"key": "gpu", "operator": "Exists"}),
    "any value, one effect": (
        {"key": "gpu", "effect": "NoSchedule"},
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
    ),
    "one value": ({"key": "team", "value": "ml"}, {"key": "team", "operator": "Equal", "value": "ml"}),
    "one value, one effect": (
        {"key": "team", "value": "ml", "effect": "NoExecute"},
        {"key": "team", "operator": "Equal", "value": "ml", "effect": "NoExecute"},
    ),
    "the empty value": ({"key": "team", "value": ""}, {"key": "team", "operator": "Equal", "value": ""}),
}


@pytest.mark.parametrize(("given", "written"), TOLERATED.values(), ids=TOLERATED.keys())
def test_a_toleration_says_which_taint_does_not_keep_it_away(given, written):
    assert a_pod(placement={"tolerations": [given]})["tolerations"] == [written]


def test_a_pod_runs_as_nobody_in_particular_and_asks_the_cluster_nothing():
    pod = a_pod()
    assert "securityContext" not in pod
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("part", [fetching, serving])
def test_a_container_writes_to_its_volumes_only_and_gains_nothing(part):
    container = part(a_pod())
    assert container["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]  # noqa: S108 -- the pod's own


@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["least", "everything"])
def test_the_same_revision_gives_the_same_pod_byte_by_byte(changes):
    revision = a_cluster_revision(5, **changes)
    first = bytes_of(pod_spec(revision, PLACE, container="predictor"))
    assert bytes_of(pod_spec(revision, PLACE, container="predictor")) == first
    assert bytes_of(pod_spec(read_again(revision), PLACE, container="predictor")) == first


def test_patience_is_the_waits_and_changes_no_pod():
    patient = {"on_failure": "KEEP", "ready_timeout_s": 60, "strategy": "RECREATE", "take_over": True}
    assert bytes_of(a_pod(rollout=patient)) == bytes_of(a_pod())


def test_an_option_that_is_new_to_moorage_restarts_no_pod_that_does_not_use_it():
    given = json.loads(variables(serving(a_pod()))["MOORAGE_REVISION"])
    assert not {"resources", "scaling", "queue", "placement", "local", "rollout", "env_vars"} & given.keys()


OTHER = {
    "number": {"number": 2},
    "script": {"artifact": {"version": 2, "digest": "sha256:cc", "script_file": "predictor.py"}},
    "smoke requests": {"smoke_requests": [{"inputs": [[1]]}]},
    "smoke timeout": {"smoke_timeout_s": 5},
}


@pytest.mark.parametrize("changes", OTHER.values(), ids=OTHER.keys())
def test_another_revision_has_other_pods(changes):
    assert a_pod(**changes) != a_pod()


REVISIONS = {
    "the least": {},
    "everything": EVERYTHING,
    "dollars": {"env_vars": [{"name": f"V{at}", "value": value} for at, value in enumerate(DOLLARS)]},
    "dollars in a question": {"smoke_requests": [{"inputs": ["$", "$$", "$(HOME)"], "expect": ["$$$"]}]},
}


@pytest.mark.parametrize("changes", REVISIONS.values(), ids=REVISIONS.keys())
def test_who_has_the_pod_has_the_revision(changes):
    revision = a_cluster_revision(4, **changes)
    assert revision_in(pod_spec(revision, PLACE, container="predictor")) == revision


def test_a_revision_comes_back_without_its_patience():
    assert revision_in(a_pod(rollout={"ready_timeout_s": 7})) == a_cluster_revision()


CHANGED = {
    "no containers": {},
    "null": {"initContainers": None},
    "a container of somebody else's": {"initContainers": [{"name": "istio-init"}]},
    "other variables": {"initContainers": [{"env": [{"name": "HOME", "value": "/home"}]}]},
    "no JSON": {"initContainers": [{"env": [{"name": "MOORAGE_REVISION", "value": "{"}]}]},
    "another thing": {"initContainers": [{"env": [{"name": "MOORAGE_REVISION", "value": "[]"}]}]},
    "an unknown field": {"initContainers": [{"env": [{"name": "MOORAGE_REVISION", "value": '{"colour": "red"}'}]}]},
}


@pytest.mark.parametrize("spec", CHANGED.values(), ids=CHANGED.keys())
def test_a_pod_that_somebody_changed_is_of_no_revision(spec):
    assert revision_in(spec) is None


def test_containers_that_webhooks_put_before_ours_hide_nothing():
    pod = a_pod()
    pod["initContainers"].insert(0, {"name": "istio-init", "env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]})
    assert revision_in(pod) == a_cluster_revision()


def test_a_question_with_named_columns_gives_the_same_pod_after_it_was_in_the_ledger():
    revision = a_cluster_revision(5, smoke_requests=[{"inputs": [{"width": 1, "length": 2}]}])
    kept = json.loads(json.dumps(revision.model_dump(mode="json"), sort_keys=True))
    assert bytes_of(a_pod_of(Revision.model_validate(kept))) == bytes_of(a_pod_of(revision))


def a_pod_of(revision):
    return pod_spec(revision, PLACE, container="predictor")


@pytest.mark.parametrize("variable", [{"valueFrom": {}}, {}, {"value": "{}"}], ids=str)
def test_a_pod_that_somebody_changed_names_no_revision(variable):
    spec = {"initContainers": [{"env": [{"name": "MOORAGE_REVISION"} | variable]}]}
    assert revision_in(spec) is None


LOGGING = replace(PLACE, logging={"MOORAGE_KAFKA": "kafka:9092"}, kafka_secret="moorage-kafka")


def test_what_logs_its_exchanges_is_told_where_to_and_gets_the_brokers_secret():
    pod = a_pod(LOGGING, inference_logger={"mode": "ALL"})
    assert variables(serving(pod))["MOORAGE_KAFKA"] == "kafka:9092"
    assert serving(pod)["envFrom"] == [{"secretRef": {"name": "moorage-kafka"}}]
    assert "moorage-kafka" not in json.dumps(fetching(pod))


def test_what_logs_nothing_is_as_it_was():
    assert a_pod(LOGGING) == a_pod()
    assert a_pod(LOGGING, inference_logger={"mode": "NONE"})["containers"][0].keys() == serving(a_pod()).keys()


def test_grpc_has_a_port_of_its_own_after_that_of_rest():
    server = serving(a_pod(api_protocol="GRPC"))
    assert [(port["name"], port["containerPort"]) for port in server["ports"]] == [("http1", 8080), ("grpc", 8081)]
    assert variables(server)["MOORAGE_GRPC_PORT"] == "8081"
