"""From a revision to the objects that serve it on plain Kubernetes (pure)."""

from __future__ import annotations

from typing import Final

from moorage.deployment import Revision
from moorage.resources import ScaleMetric, Scaling
from moorage.serving.cluster.marks import ORIGIN, QUEUE, Manifest, Place, object_labels, object_name, pod_annotations
from moorage.serving.cluster.marks import pod_labels as labels_of_pod
from moorage.serving.cluster.podspec import HTTP_PORT, pod_spec

CONTAINER: Final = "predictor"


def manifests(revision: Revision, place: Place, strategy: Manifest, *, running: bool = True) -> list[Manifest]:
    """Service first, so that the endpoint is there before the first pod; the autoscaler last.

    Args:
        strategy: how old pods give way to new ones, as a Deployment says it.
        running: False: the same with no pods.
    """
    scaling = revision.scaling if running else None
    found = [service(revision, place), deployment(revision, place, strategy, running=running)]
    return found if scaling is None else [*found, autoscaler(revision, place, scaling)]


def deployment(revision: Revision, place: Place, strategy: Manifest, *, running: bool) -> Manifest:
    """The Deployment; where an autoscaler counts, the number of replicas is left to it."""
    queue = {QUEUE: revision.queue} if revision.queue else {}
    metadata = _metadata(revision, place)
    metadata["labels"] |= queue
    spec: Manifest = {
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": object_labels(revision.deployment, revision.serving_tool)},
        "strategy": strategy,
        "template": {
            "metadata": {"labels": labels_of_pod(revision) | queue, "annotations": pod_annotations(revision)},
            "spec": pod_spec(revision, place, container=CONTAINER),
        },
    }
    if not running:
        spec["replicas"] = 0
    elif revision.scaling is None:
        spec["replicas"] = revision.resources.instances
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def service(revision: Revision, place: Place) -> Manifest:
    """The Service in front of every ready pod of the deployment, whichever revision it is of."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(revision, place),
        "spec": {
            "selector": object_labels(revision.deployment, revision.serving_tool),
            "ports": [{"name": "http", "port": 80, "targetPort": HTTP_PORT, "protocol": "TCP"}],
        },
    }


def autoscaler(revision: Revision, place: Place, scaling: Scaling) -> Manifest:
    """The HorizontalPodAutoscaler."""
    name = object_name(revision.deployment)
    resource = {ScaleMetric.MEMORY: "memory"}.get(scaling.metric, "cpu")
    target = {"type": "Utilization", "averageUtilization": scaling.wanted}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _metadata(revision, place),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": scaling.min_instances,
            "maxReplicas": scaling.max_instances,
            "metrics": [{"type": "Resource", "resource": {"name": resource, "target": target}}],
        },
    }


def _metadata(revision: Revision, place: Place) -> Manifest:
    return {
        "name": object_name(revision.deployment),
        "namespace": place.namespace,
        "labels": object_labels(revision.deployment, revision.serving_tool),
        "annotations": {ORIGIN: place.origin},
    }
