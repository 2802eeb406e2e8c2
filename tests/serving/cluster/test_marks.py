"""How our objects are named and marked, and where the API server has them."""

from dataclasses import replace

import pytest

from moorage.predictor import ServingTool
from moorage.serving.cluster import kinds
from moorage.serving.cluster.marks import (
    is_ours,
    number_in,
    object_labels,
    object_name,
    pod_annotations,
    pod_labels,
    selector,
)
from tests.serving.cluster.place import PLACE, a_cluster_revision

ORIGIN = "moorage.dev/origin"


def test_an_objects_name_knows_no_capitals():
    assert object_name("IrisV2") == "irisv2"


def test_labels_say_whose_an_object_is_with_capitals():
    assert object_labels("IrisV2", ServingTool.KSERVE) == {
        "app.kubernetes.io/managed-by": "moorage",
        "moorage.dev/deployment": "IrisV2",
        "moorage.dev/serving-tool": "kserve",
    }


def test_a_pods_labels_name_its_revision_too():
    revision = a_cluster_revision(12)
    assert pod_labels(revision) == object_labels("iris", ServingTool.KUBERNETES) | {"moorage.dev/revision": "12"}


def test_a_pod_carries_the_digest_of_its_revision():
    revision = a_cluster_revision()
    assert pod_annotations(revision) == {"moorage.dev/revision-digest": revision.digest}


def test_the_digest_stays_while_only_number_and_patience_change():
    changed = a_cluster_revision(9, rollout={"ready_timeout_s": 1}, smoke_timeout_s=1)
    assert pod_annotations(changed) == pod_annotations(a_cluster_revision())
    assert pod_annotations(a_cluster_revision(queue="gpus")) != pod_annotations(a_cluster_revision())


NUMBERS: dict[str, tuple[dict[str, object], int | None]] = {
    "a number": ({"labels": {"moorage.dev/revision": "12"}}, 12),
    "no labels": ({}, None),
    "labels that are null": ({"labels": None}, None),
    "labels of others": ({"labels": {"app": "iris"}}, None),
    "an empty one": ({"labels": {"moorage.dev/revision": ""}}, None),
    "no number": ({"labels": {"moorage.dev/revision": "-1"}}, None),
}


@pytest.mark.parametrize(("metadata", "number"), NUMBERS.values(), ids=NUMBERS.keys())
def test_the_number_is_read_from_the_label(metadata, number):
    assert number_in(metadata) == number


def test_a_number_that_was_written_is_read():
    assert number_in({"labels": pod_labels(a_cluster_revision(7))}) == 7


def test_a_selector_names_every_label_of_the_objects():
    assert selector("IrisV2", ServingTool.KUBERNETES) == (
        "app.kubernetes.io/managed-by=moorage,moorage.dev/deployment=IrisV2,moorage.dev/serving-tool=kubernetes"
    )


def test_an_origin_is_a_store_and_a_project():
    assert PLACE.origin == "s3://models/team#default"
    assert replace(PLACE, namespace="x", service_account="x", store_secret=None).origin == PLACE.origin


def found(deployment="iris", tool=ServingTool.KUBERNETES, **annotations):
    labels = object_labels(deployment, tool) | {"added": "by somebody"}
    return {"metadata": {"labels": labels, "annotations": {ORIGIN: PLACE.origin} | annotations}}


def test_what_has_our_marks_is_ours():
    assert is_ours(found(), "iris", ServingTool.KUBERNETES, PLACE.origin)
    bare = {"labels": object_labels("iris", ServingTool.KUBERNETES), "annotations": {ORIGIN: PLACE.origin}}
    assert is_ours({"metadata": bare}, "iris", ServingTool.KUBERNETES, PLACE.origin)


NOT_OURS = {
    "of a deployment whose name differs in capitals": found("Iris"),
    "of the other tool": found(tool=ServingTool.KSERVE),
    "of another store": found(**{ORIGIN: "s3://others#default"}),
    "of another project": found(**{ORIGIN: "s3://models/team#another"}),
    "with another's manager": {
        "metadata": {
            "labels": found()["metadata"]["labels"] | {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {ORIGIN: PLACE.origin},
        }
    },
    "without an origin": {"metadata": {"labels": object_labels("iris", ServingTool.KUBERNETES)}},
    "without labels": {"metadata": {"annotations": {ORIGIN: PLACE.origin}}},
    "without any marks": {"metadata": {"labels": None, "annotations": None}},
}


@pytest.mark.parametrize("thing", NOT_OURS.values(), ids=NOT_OURS.keys())
def test_nothing_else_is_ours(thing):
    assert not is_ours(thing, "iris", ServingTool.KUBERNETES, PLACE.origin)


PATHS = {
    "of the core": (kinds.POD.path("team", "iris-0"), "/api/v1/namespaces/team/pods/iris-0"),
    "a collection": (kinds.POD.path("team"), "/api/v1/namespaces/team/pods"),
    "in all namespaces": (kinds.POD.path(""), "/api/v1/pods"),
    "of a group": (kinds.DEPLOYMENT.path("team", "iris"), "/apis/apps/v1/namespaces/team/deployments/iris"),
    "of KServe": (
        kinds.INFERENCE_SERVICE.path("team", "iris"),
        "/apis/serving.kserve.io/v1beta1/namespaces/team/inferenceservices/iris",
    ),
    "in no namespace": (kinds.NAMESPACE.path("team", "team"), "/api/v1/namespaces/team"),
    "all in no namespace": (kinds.NODE.path("team"), "/api/v1/nodes"),
    "in no namespace, of a group": (
        kinds.ACCESS_REVIEW.path("team"),
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    ),
}


@pytest.mark.parametrize(("path", "expected"), PATHS.values(), ids=PATHS.keys())
def test_a_kind_says_where_the_api_server_has_its_objects(path, expected):
    assert path == expected


# as `kubectl api-resources` lists them
API_RESOURCES = {
    "pods": ("v1", True, "Pod"),
    "services": ("v1", True, "Service"),
    "events": ("v1", True, "Event"),
    "nodes": ("v1", False, "Node"),
    "namespaces": ("v1", False, "Namespace"),
    "secrets": ("v1", True, "Secret"),
    "serviceaccounts": ("v1", True, "ServiceAccount"),
    "resourcequotas": ("v1", True, "ResourceQuota"),
    "limitranges": ("v1", True, "LimitRange"),
    "deployments": ("apps/v1", True, "Deployment"),
    "horizontalpodautoscalers": ("autoscaling/v2", True, "HorizontalPodAutoscaler"),
    "inferenceservices": ("serving.kserve.io/v1beta1", True, "InferenceService"),
    "revisions": ("serving.knative.dev/v1", True, "Revision"),
    "localqueues": ("kueue.x-k8s.io/v1beta1", True, "LocalQueue"),
    "selfsubjectaccessreviews": ("authorization.k8s.io/v1", False, "SelfSubjectAccessReview"),
}
KINDS = [kind for kind in vars(kinds).values() if isinstance(kind, kinds.Kind) and kind != kinds.KNATIVE_SERVICE]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_each_kind_is_called_as_the_api_server_lists_it(kind):
    assert (kind.version, kind.namespaced, kind.name) == API_RESOURCES[kind.plural]


def test_knatives_service_is_another_kind_of_the_same_name():
    assert kinds.KNATIVE_SERVICE.path("team") == "/apis/serving.knative.dev/v1/namespaces/team/services"


def test_the_core_has_no_group():
    assert (kinds.POD.group, kinds.DEPLOYMENT.group, kinds.LOCAL_QUEUE.group) == ("", "apps", "kueue.x-k8s.io")


@pytest.mark.parametrize(
    "kind", [kinds.SERVICE, kinds.DEPLOYMENT, kinds.AUTOSCALER, kinds.INFERENCE_SERVICE], ids=lambda kind: kind.name
)
def test_a_manifest_says_of_which_kind_it_is(kind):
    assert kinds.kind_of({"apiVersion": kind.version, "kind": kind.name}) is kind
