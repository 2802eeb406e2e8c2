"""From a revision to the objects on plain Kubernetes, and back."""

import pytest

from moorage.serving.cluster.kinds import AUTOSCALER, DEPLOYMENT, SERVICE, kind_of
from moorage.serving.cluster.podspec import pod_spec
from moorage.serving.cluster.shape import Wish
from moorage.serving.cluster.strategy import BESIDE, ONE_AFTER_THE_OTHER, ONE_BY_ONE
from moorage.serving.kubernetes.manifest import manifests
from moorage.serving.kubernetes.shape import KubernetesShape
from tests.serving.cluster.place import EVERYTHING, PLACE, a_cluster_revision, bytes_of, read_again

SCALING = {"min_instances": 2, "max_instances": 6}
LABELS = {
    "app.kubernetes.io/managed-by": "moorage",
    "moorage.dev/deployment": "iris",
    "moorage.dev/serving-tool": "kubernetes",
}
SHAPE = KubernetesShape()


def made(number=1, *, strategy=BESIDE, running=True, **changes):
    """By kind."""
    found = manifests(a_cluster_revision(number, **changes), PLACE, strategy, running=running)
    return {each["kind"]: each for each in found}


def spec_of(**changes):
    return made(**changes)["Deployment"]["spec"]


def test_the_endpoint_is_there_before_the_first_pod_and_the_autoscaler_last():
    assert list(made()) == ["Service", "Deployment"]
    assert list(made(scaling=SCALING)) == ["Service", "Deployment", "HorizontalPodAutoscaler"]


def test_every_object_says_whose_it_is():
    for each in made(deployment="Iris", scaling=SCALING).values():
        assert each["metadata"] == {
            "name": "iris",
            "namespace": "team",
            "labels": LABELS | {"moorage.dev/deployment": "Iris"},
            "annotations": {"moorage.dev/origin": "s3://models/team#default"},
        }


def test_the_pods_are_those_of_the_revision():
    revision = a_cluster_revision(3)
    template = spec_of(number=3)["template"]
    assert template["spec"] == pod_spec(revision, PLACE, container="predictor")
    assert template["metadata"] == {
        "labels": LABELS | {"moorage.dev/revision": "3"},
        "annotations": {"moorage.dev/revision-digest": revision.digest},
    }


def test_the_service_and_the_deployment_select_pods_of_every_revision():
    old, new = made(1), made(2, image="registry.test/other:2")
    for thing in (old, new):
        assert thing["Service"]["spec"]["selector"] == LABELS
        assert thing["Deployment"]["spec"]["selector"] == {"matchLabels": LABELS}
        assert LABELS.items() <= thing["Deployment"]["spec"]["template"]["metadata"]["labels"].items()


def test_the_service_leads_to_the_port_that_the_server_listens_on():
    thing = made()
    (container,) = thing["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert thing["Service"]["spec"]["ports"] == [
        {"name": "http", "port": 80, "targetPort": container["ports"][0]["containerPort"], "protocol": "TCP"}
    ]


REPLICAS = {
    "one": ({}, 1),
    "several": ({"resources": {"instances": 3}}, 3),
    "stopped": ({"resources": {"instances": 3}, "running": False}, 0),
    "stopped, with scaling": ({"scaling": SCALING, "running": False}, 0),
}


@pytest.mark.parametrize(("changes", "replicas"), REPLICAS.values(), ids=REPLICAS.keys())
def test_there_are_as_many_pods_as_instances_and_none_while_stopped(changes, replicas):
    assert spec_of(**changes)["replicas"] == replicas


def test_with_an_autoscaler_the_number_of_pods_is_left_to_it():
    assert "replicas" not in spec_of(scaling=SCALING)


def test_what_is_stopped_has_no_autoscaler_to_start_it():
    assert list(made(scaling=SCALING, running=False)) == ["Service", "Deployment"]


def test_stopping_changes_nothing_but_the_number():
    running, stopped = made(resources={"instances": 2}), made(resources={"instances": 2}, running=False)
    stopped["Deployment"]["spec"]["replicas"] = 2
    assert stopped == running


METRICS = {
    "cores": ({"metric": "CPU"}, "cpu", 80),
    "memory": ({"metric": "MEMORY"}, "memory", 80),
    "a target of its own": ({"metric": "MEMORY", "target": 60}, "memory", 60),
}


@pytest.mark.parametrize(("given", "resource", "target"), METRICS.values(), ids=METRICS.keys())
def test_the_autoscaler_keeps_each_pod_at_its_target(given, resource, target):
    assert made(scaling=SCALING | given, deployment="Iris")["HorizontalPodAutoscaler"]["spec"] == {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "iris"},
        "minReplicas": 2,
        "maxReplicas": 6,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": resource, "target": {"type": "Utilization", "averageUtilization": target}},
            }
        ],
    }


STRATEGIES = {
    "beside": (BESIDE, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}),
    "one by one": (ONE_BY_ONE, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
    "one after the other": (ONE_AFTER_THE_OTHER, {"type": "Recreate"}),
}


@pytest.mark.parametrize(("strategy", "written"), STRATEGIES.values(), ids=STRATEGIES.keys())
def test_old_pods_give_way_as_the_strategy_says(strategy, written):
    assert spec_of(strategy=strategy)["strategy"] == written


def test_the_strategy_is_no_matter_of_the_pods():
    assert spec_of(strategy=ONE_BY_ONE)["template"] == spec_of(strategy=BESIDE)["template"]


def test_a_queue_is_told_to_the_deployment_and_to_its_pods():
    thing = made(queue="gpu-queue")
    deployment = thing["Deployment"]
    queue = {"kueue.x-k8s.io/queue-name": "gpu-queue"}
    assert deployment["metadata"]["labels"] == LABELS | queue
    assert queue.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert deployment["spec"]["selector"] == {"matchLabels": LABELS}
    assert thing["Service"]["spec"]["selector"] == LABELS


def test_without_a_queue_there_is_no_word_of_one():
    assert "kueue" not in bytes_of(made()).decode()


@pytest.mark.parametrize("changes", [{}, EVERYTHING], ids=["least", "everything"])
def test_the_same_revision_gives_the_same_objects_byte_by_byte(changes):
    revision = a_cluster_revision(5, **changes)
    first = bytes_of(manifests(revision, PLACE, BESIDE, running=True))
    assert bytes_of(manifests(read_again(revision), PLACE, BESIDE)) == first


def test_the_shape_knows_every_kind_that_it_writes():
    found = SHAPE.manifests(a_cluster_revision(scaling=SCALING), PLACE, BESIDE, running=True)
    assert [kind_of(each) for each in found] == [SERVICE, DEPLOYMENT, AUTOSCALER]
    assert set(SHAPE.kinds) == {SERVICE, DEPLOYMENT, AUTOSCALER}


def test_the_deployment_says_what_was_asked_for_and_makes_the_pods():
    assert SHAPE.kinds[0] is DEPLOYMENT
    assert (SHAPE.workload("Iris"), SHAPE.service("Iris")) == ("iris", "iris")


def test_a_deployment_routes_nothing():
    assert not SHAPE.routes(made()["Deployment"])


# changes -> running, least
WISHES = {
    "one instance": ({}, True, True, 1),
    "several": ({"resources": {"instances": 3}}, True, True, 3),
    "scaling": ({"scaling": SCALING}, True, True, 2),
    "stopped": ({"resources": {"instances": 3}}, False, False, 0),
    "stopped, with scaling": ({"scaling": SCALING}, False, False, 2),
    "everything": (EVERYTHING, True, True, 2),
}


@pytest.mark.parametrize(("changes", "running", "runs", "least"), WISHES.values(), ids=WISHES.keys())
def test_what_was_asked_for_is_read_from_the_deployment(changes, running, runs, least):
    revision = a_cluster_revision(7, **changes)
    parent = made(7, running=running, **changes)["Deployment"]
    assert SHAPE.read(parent) == Wish(applied=7, running=runs, least=least, revision=revision)


def test_what_an_autoscaler_counts_is_no_wish():
    parent = made(scaling=SCALING)["Deployment"]
    parent["spec"]["replicas"] = 5
    assert (SHAPE.read(parent).running, SHAPE.read(parent).least) == (True, 2)


def test_a_deployment_that_somebody_changed_tells_what_it_still_can():
    parent = made(resources={"instances": 3})["Deployment"]
    parent["spec"]["template"]["spec"]["initContainers"] = []
    del parent["spec"]["template"]["metadata"]["labels"]["moorage.dev/revision"]
    assert SHAPE.read(parent) == Wish(applied=None, running=True, least=3, revision=None)
    del parent["spec"]["replicas"]
    assert SHAPE.read(parent) == Wish(applied=None, running=True, least=1, revision=None)
