"""From a revision to its InferenceService, and back."""

import pytest

from moorage.predictor import ServingTool
from moorage.serving.cluster.kinds import INFERENCE_SERVICE, kind_of
from moorage.serving.cluster.podspec import pod_spec
from moorage.serving.cluster.shape import Wish
from moorage.serving.cluster.strategy import BESIDE, ONE_AFTER_THE_OTHER
from moorage.serving.kserve.manifest import in_knative_mode, inference_service
from moorage.serving.kserve.shape import KServeShape
from moorage.startup import Cause
from tests.serving.cluster.place import EVERYTHING, PLACE, a_cluster_revision, bytes_of, read_again

CPU = {"min_instances": 2, "max_instances": 6}
MODE, AUTOSCALER = "serving.kserve.io/deploymentMode", "serving.kserve.io/autoscalerClass"
STOP, RETENTION = "serving.kserve.io/stop", "autoscaling.knative.dev/scale-to-zero-pod-retention-period"
DEADLINE = "serving.knative.dev/progress-deadline"
LABELS = {
    "app.kubernetes.io/managed-by": "moorage",
    "moorage.dev/deployment": "iris",
    "moorage.dev/serving-tool": "kserve",
}
SHAPE = KServeShape()


def a_revision(number=1, **changes):
    return a_cluster_revision(number, serving_tool=ServingTool.KSERVE, **changes)


def made(number=1, *, strategy=BESIDE, running=True, share=None, **changes):
    return inference_service(a_revision(number, **changes), PLACE, strategy, running=running, share=share)


def predictor(**changes):
    return made(**changes)["spec"]["predictor"]


def annotations(**changes):
    return made(**changes)["metadata"]["annotations"]


def test_it_is_an_inference_service_that_says_whose_it_is():
    thing = made(deployment="Iris")
    assert kind_of(thing) is INFERENCE_SERVICE
    assert thing["metadata"]["name"] == "iris"
    assert thing["metadata"]["namespace"] == "team"
    assert thing["metadata"]["labels"] == LABELS | {"moorage.dev/deployment": "Iris"}
    assert thing["metadata"]["annotations"]["moorage.dev/origin"] == "s3://models/team#default"


def test_its_pods_are_those_of_the_revision_in_the_container_that_kserve_knows():
    pod = pod_spec(a_revision(3), PLACE, container="kserve-container")
    assert pod.items() <= predictor(number=3).items()
    assert [container["name"] for container in pod["containers"]] == ["kserve-container"]


def test_its_pods_are_marked_with_their_revision():
    found = predictor(number=3)
    assert found["labels"] == LABELS | {"moorage.dev/revision": "3"}
    assert found["annotations"] == {"moorage.dev/revision-digest": a_revision(3).digest}


def test_what_lands_on_every_pod_stays_from_revision_to_revision():
    assert made(1)["metadata"] == made(2, image="registry.test/other:2")["metadata"]


# changes -> the mode, and who counts the pods where that is not Knative
MODES = {
    "one instance": ({}, "Standard", "none"),
    "several": ({"resources": {"instances": 3}}, "Standard", "none"),
    "scaling by cores": ({"scaling": CPU}, "Standard", "hpa"),
    "scaling by memory": ({"scaling": CPU | {"metric": "MEMORY"}}, "Standard", "hpa"),
    "no instance": ({"resources": {"instances": 0}}, "Knative", None),
    "from no instance": ({"scaling": {"min_instances": 0, "metric": "CONCURRENCY"}}, "Knative", None),
    "scaling by requests at once": ({"scaling": CPU | {"metric": "CONCURRENCY"}}, "Knative", None),
    "scaling by requests a second": ({"scaling": CPU | {"metric": "RPS"}}, "Knative", None),
}


@pytest.mark.parametrize(("changes", "mode", "autoscaler"), MODES.values(), ids=MODES.keys())
def test_the_mode_is_always_said_and_follows_from_what_must_be_counted(changes, mode, autoscaler):
    found = annotations(**changes)
    assert (found[MODE], found.get(AUTOSCALER)) == (mode, autoscaler)
    assert in_knative_mode(a_revision(**changes)) is (mode == "Knative")


@pytest.mark.parametrize(("changes", "mode", "_"), MODES.values(), ids=MODES.keys())
def test_only_in_standard_mode_there_is_a_strategy(changes, mode, _):
    found = predictor(strategy=ONE_AFTER_THE_OTHER, **changes).get("deploymentStrategy")
    assert found == ({"type": "Recreate"} if mode == "Standard" else None)


def test_old_pods_give_way_as_the_strategy_says():
    assert predictor(strategy=BESIDE)["deploymentStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
    }


COUNTS = {
    "one instance": ({}, {"minReplicas": 1}),
    "several": ({"resources": {"instances": 3}}, {"minReplicas": 3}),
    "no instance": ({"resources": {"instances": 0}}, {"minReplicas": 0}),
    "cores": (
        {"scaling": CPU},
        {"minReplicas": 2, "maxReplicas": 6, "scaleMetric": "cpu", "scaleTarget": 80},
    ),
    "memory": (
        {"scaling": CPU | {"metric": "MEMORY", "target": 60}},
        {"minReplicas": 2, "maxReplicas": 6, "scaleMetric": "memory", "scaleTarget": 60},
    ),
    "requests at once": (
        {"scaling": {"min_instances": 0, "max_instances": 3, "metric": "CONCURRENCY"}},
        {"minReplicas": 0, "maxReplicas": 3, "scaleMetric": "concurrency", "scaleTarget": 100},
    ),
    "requests a second": (
        {"scaling": CPU | {"metric": "RPS"}},
        {"minReplicas": 2, "maxReplicas": 6, "scaleMetric": "rps", "scaleTarget": 200},
    ),
}


@pytest.mark.parametrize(("changes", "counts"), COUNTS.values(), ids=COUNTS.keys())
def test_as_many_as_asked_for_or_as_the_load_asks_for(changes, counts):
    names = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}
    found = predictor(**changes)
    assert {name: found[name] for name in names & found.keys()} == counts


def test_a_pod_of_knatives_leaves_to_it_what_it_sees_to_itself():
    revision = a_revision(resources={"instances": 0})
    pod = pod_spec(revision, PLACE, container="kserve-container", knative=True)
    found = predictor(resources={"instances": 0})
    assert {name: found[name] for name in pod} == pod
    assert "terminationGracePeriodSeconds" not in found


def test_knative_gives_a_load_as_long_as_any_wait_could():
    assert predictor(resources={"instances": 0})["annotations"][DEADLINE] == f"{24 * 60 * 60}s"
    assert DEADLINE not in bytes_of(made()).decode()


def test_only_knative_routes_by_itself():
    assert SHAPE.routes(made(resources={"instances": 0}))
    assert not SHAPE.routes(made())
    assert not SHAPE.routes({"metadata": {}})


def test_the_last_instance_stays_as_long_as_was_asked_for():
    scaling = {"min_instances": 0, "metric": "RPS", "retention_s": 300}
    assert predictor(scaling=scaling)["annotations"][RETENTION] == "300s"


def test_windows_are_said_as_knative_reads_them():
    windows = {"stable_window_s": 6, "panic_window_percent": 20, "panic_threshold_percent": 150.5}
    made_of = predictor(scaling={"min_instances": 0, "metric": "RPS"} | windows)["annotations"]
    said = {name.removeprefix("autoscaling.knative.dev/"): value for name, value in made_of.items()}
    assert (said["window"], said["panic-window-percentage"], said["panic-threshold-percentage"]) == (
        "6s",
        "20.0",
        "150.5",
    )


@pytest.mark.parametrize("scaling", [None, CPU, {"min_instances": 0, "metric": "RPS"}])
def test_otherwise_nothing_is_said_of_the_last_instance(scaling):
    assert RETENTION not in bytes_of(made(scaling=scaling)).decode()


def test_a_queue_is_told_where_kserve_copies_it_from():
    assert made(queue="gpu-queue")["metadata"]["labels"] == LABELS | {"kueue.x-k8s.io/queue-name": "gpu-queue"}
    assert "kueue" not in bytes_of(made()).decode()


def test_stopping_changes_nothing_but_one_word():
    running, stopped = made(scaling=CPU), made(scaling=CPU, running=False)
    assert stopped["metadata"]["annotations"].pop(STOP) == "true"
    assert stopped == running
    assert STOP not in running["metadata"]["annotations"]


KNATIVE = {"scaling": {"min_instances": 0, "metric": "RPS", "retention_s": 30}}


@pytest.mark.parametrize("changes", [{}, EVERYTHING, KNATIVE], ids=["least", "everything", "Knative"])
def test_the_same_revision_gives_the_same_object_byte_by_byte(changes):
    revision = a_revision(5, **changes)
    first = bytes_of(inference_service(revision, PLACE, BESIDE, running=True))
    assert bytes_of(inference_service(read_again(revision), PLACE, BESIDE)) == first


def test_the_shape_writes_one_object_of_the_one_kind():
    (found,) = SHAPE.manifests(a_revision(), PLACE, BESIDE, running=False)
    assert found == made(running=False)
    assert SHAPE.kinds == (INFERENCE_SERVICE,)


def test_kserve_names_what_it_makes_after_the_predictor():
    assert (SHAPE.workload("Iris"), SHAPE.service("Iris")) == ("iris-predictor", "iris-predictor")


WISHES = {
    "one instance": ({}, True, 1),
    "several": ({"resources": {"instances": 3}}, True, 3),
    "scaling": ({"scaling": CPU}, True, 2),
    "to zero": (KNATIVE, True, 0),
    "stopped": ({"resources": {"instances": 3}}, False, 3),
    "everything": (EVERYTHING, True, 2),
}


@pytest.mark.parametrize(("changes", "running", "least"), WISHES.values(), ids=WISHES.keys())
def test_what_was_asked_for_is_read_from_the_inference_service(changes, running, least):
    wish = SHAPE.read(made(7, running=running, **changes))
    assert wish == Wish(applied=7, running=running, least=least, revision=a_revision(7, **changes))


def test_an_object_that_somebody_changed_tells_what_it_still_can():
    thing = made(3)
    del thing["metadata"]["annotations"]
    thing["spec"]["predictor"] = {"model": {"modelFormat": {"name": "sklearn"}}}
    assert SHAPE.read(thing) == Wish(applied=None, running=True, least=1, revision=None)


def with_status(**status):
    return made() | {"status": status}


def invalid(**failure):
    return with_status(modelStatus={"transitionStatus": "InvalidSpec", "lastFailureInfo": failure})


def condition(status, reason="ReconcileFailed", **message):
    return with_status(
        conditions=[
            {"type": "Stopped", "status": "False"},
            {"type": "PredictorReady", "status": status, "reason": reason, **message},
        ]
    )


REFUSED = {
    "invalid, with a message": (
        invalid(reason="InvalidPredictorSpec", message="no such runtime"),
        "KServe takes its InferenceService for invalid: no such runtime.",
    ),
    "invalid, with a reason": (invalid(reason="RuntimeDisabled"), "for invalid: RuntimeDisabled."),
    "invalid, with nothing": (invalid(), "for invalid: it says no more."),
    "invalid, and no failure at all": (
        with_status(modelStatus={"transitionStatus": "InvalidSpec"}),
        "for invalid: it says no more.",
    ),
    "not made": (
        condition("False", message="fails to reconcile predictor: quota."),
        "KServe could not make what belongs to its InferenceService: fails to reconcile predictor: quota.",
    ),
}


@pytest.mark.parametrize(("parent", "summary"), REFUSED.values(), ids=REFUSED.keys())
def test_what_kserve_does_not_go_on_with_is_refused(parent, summary):
    refused = SHAPE.read(parent).refused
    assert refused is not None
    assert refused.cause is Cause.OBJECT_REFUSED
    assert refused.summary.endswith(summary)


def test_what_could_not_be_made_is_told_by_events():
    refused = SHAPE.read(condition("False", message="no")).refused
    assert refused is not None
    assert "kubectl describe inferenceservice" in refused.mend


GOES_ON = {
    "no status yet": made(),
    "it lost a race with Knative": condition(
        "False",
        message='fails to reconcile knative service: Operation cannot be fulfilled on services.serving.knative.dev "x":'
        " the object has been modified; please apply your changes to the latest version and try again",
    ),
    "a status of nothing": with_status(),
    "a status that is null": made() | {"status": None},
    "a failure that was mended": with_status(
        modelStatus={
            "transitionStatus": "InProgress",
            "lastFailureInfo": {"reason": "InvalidPredictorSpec", "message": "no such runtime"},
        }
    ),
    "a load that failed": with_status(
        modelStatus={"transitionStatus": "BlockedByFailedLoad", "lastFailureInfo": {"message": "exit 1"}}
    ),
    "not ready, as anything that starts": condition("False", "MinimumReplicasUnavailable"),
    "made at last": condition("True"),
    "not known": condition("Unknown"),
    "stopped": condition("False", "Stopped"),
}


@pytest.mark.parametrize("parent", GOES_ON.values(), ids=GOES_ON.keys())
def test_with_all_else_kserve_goes_on(parent):
    assert SHAPE.read(parent).refused is None


def test_a_share_is_the_only_thing_that_a_revision_on_trial_differs_in():
    trial, alone = predictor(share=20, resources={"instances": 0}), predictor(resources={"instances": 0})
    assert trial == alone | {"canaryTrafficPercent": 20}
    assert SHAPE.read(made(share=20, resources={"instances": 0})).share == 20
    assert SHAPE.read(made(resources={"instances": 0})).share is None


def test_where_pods_decide_nothing_is_shared():
    assert predictor(share=20) == predictor()


def test_the_newest_always_has_a_url_of_its_own_in_knative_mode():
    assert annotations(resources={"instances": 0})["serving.kserve.io/enable-tag-routing"] == "true"
    assert "serving.kserve.io/enable-tag-routing" not in annotations()


OF_IT = {"artifact": {"version": 1, "digest": "sha256:bb", "script_file": "p.py", "transformer_file": "t.py"}}


def transformed(**changes):
    return made(transformer=changes, **OF_IT)["spec"]


def variables(pod):
    return {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}


def test_a_transformer_is_a_component_of_its_own_that_knows_where_its_predictor_is():
    spec = transformed(resources={"instances": 2, "requests": {"cores": 0.5}}, env_vars=[{"name": "A", "value": "1"}])
    transformer, predictor = spec["transformer"], spec["predictor"]
    assert (transformer["minReplicas"], predictor["minReplicas"]) == (2, 1)
    assert transformer["labels"] == predictor["labels"] | {"moorage.dev/component": "transformer"}
    assert variables(transformer)["MOORAGE_PREDICTOR_URL"] == "http://iris-predictor.team"
    assert variables(transformer)["MOORAGE_COMPONENT"] == "transformer"
    assert variables(transformer)["A"] == "1"
    assert transformer["containers"][0]["resources"]["requests"]["cpu"] == "500m"
    fetching = {each["name"]: each["value"] for each in transformer["initContainers"][0]["env"]}
    assert fetching["MOORAGE_COMPONENT"] == "transformer"


def test_its_predictor_has_what_it_takes_to_prove_both():
    given = [{"name": "A", "value": "1"}, {"name": "B", "secret": "hub"}]
    predictor = transformed(env_vars=given)["predictor"]
    assert variables(predictor)["MOORAGE_OF_THE_TRANSFORMER_A"] == "1"
    secrets = {each["name"]: each["valueFrom"] for each in predictor["containers"][0]["env"] if "valueFrom" in each}
    assert secrets == {"MOORAGE_OF_THE_TRANSFORMER_B": {"secretKeyRef": {"name": "hub", "key": "B"}}}
    assert "MOORAGE_COMPONENT" not in variables(predictor)


def test_where_one_scales_the_other_keeps_its_number():
    spec = made(transformer={"scaling": CPU}, resources={"instances": 3}, **OF_IT)
    assert spec["metadata"]["annotations"][AUTOSCALER] == "hpa"
    assert (spec["spec"]["predictor"]["minReplicas"], spec["spec"]["predictor"]["maxReplicas"]) == (3, 3)
    assert (spec["spec"]["transformer"]["minReplicas"], spec["spec"]["transformer"]["maxReplicas"]) == (2, 6)


def test_how_many_transformers_there_must_be_is_read_back():
    assert SHAPE.transformers(made(transformer={"resources": {"instances": 3}}, **OF_IT)) == 3
    assert SHAPE.transformers(made()) is None
    assert SHAPE.read(made(transformer={}, **OF_IT)).revision == a_revision(transformer={}, **OF_IT)
