"""From a revision to its InferenceService (pure)."""

from __future__ import annotations

from typing import Final

from moorage.components import Component
from moorage.deployment import Revision
from moorage.resources import ScaleMetric, Scaling, counts_requests
from moorage.serving.cluster.marks import (
    COMPONENT,
    ORIGIN,
    QUEUE,
    Manifest,
    Place,
    object_labels,
    object_name,
    pod_annotations,
    pod_labels,
)
from moorage.serving.cluster.podspec import STARTUP_S, pod_spec

CONTAINER: Final = "kserve-container"
STOP: Final = "serving.kserve.io/stop"
SHARE: Final = "canaryTrafficPercent"
_MODE: Final = "serving.kserve.io/deploymentMode"
_TAGS: Final = "serving.kserve.io/enable-tag-routing"
_AUTOSCALER: Final = "serving.kserve.io/autoscalerClass"
_DEADLINE: Final = "serving.knative.dev/progress-deadline"
_RETENTION: Final = "autoscaling.knative.dev/scale-to-zero-pod-retention-period"
_WINDOW: Final = "autoscaling.knative.dev/window"
_PANIC_WINDOW: Final = "autoscaling.knative.dev/panic-window-percentage"
_PANIC_THRESHOLD: Final = "autoscaling.knative.dev/panic-threshold-percentage"


def in_knative_mode(revision: Revision) -> bool:
    """Whether Knative runs it: only that scales to zero, and only that counts requests."""
    return counts_requests(revision.resources, revision.scaling)


def is_knative(parent: Manifest) -> bool:
    """Whether an InferenceService is one that Knative runs."""
    return (parent["metadata"].get("annotations") or {}).get(_MODE) == "Knative"


def inference_service(
    revision: Revision, place: Place, strategy: Manifest, *, running: bool = True, share: int | None = None
) -> Manifest:
    """The InferenceService. Every label and annotation of it lands on the pods, so none may change by itself.

    Args:
        strategy: how old pods give way to new ones, as a Deployment says it; Knative has its own way.
        running: False: the same with everything behind it taken away.
        share: percent of the requests that it gets in Knative mode, where a revision is routed to already; None: all.
            https://kserve.github.io/website/docs/model-serving/predictive-inference/rollout-strategies/canary
    """
    knative = in_knative_mode(revision)
    annotations = {ORIGIN: place.origin, _MODE: "Knative" if knative else "Standard"}
    if knative:
        # Always, for it lands on the pods: a canary has a URL of its own then, and none changes when it ends.
        annotations[_TAGS] = "true"
    else:
        # Without an autoscaler the number is fixed; KServe makes one unless told not to.
        annotations[_AUTOSCALER] = "hpa" if any(_scalings(revision)) else "none"
    if not running:
        annotations[STOP] = "true"
    routed = {SHARE: share} if knative and share is not None else {}
    component = {"labels": pod_labels(revision), **({} if knative else {"deploymentStrategy": strategy})}
    predictor = {
        **component,
        "annotations": pod_annotations(revision) | (_of_knative(revision.scaling) if knative else {}),
        **_replicas(revision, revision.scaling, revision.resources.instances),
        **routed,
        **pod_spec(revision, place, container=CONTAINER, knative=knative),
    }
    spec = {"predictor": predictor}
    if (transformer := revision.transformer) is not None:
        url = predictor_url(revision.deployment, place.namespace)
        spec["transformer"] = {
            **component,
            "labels": pod_labels(revision) | {COMPONENT: Component.TRANSFORMER.value},
            "annotations": pod_annotations(revision) | (_of_knative(transformer.scaling) if knative else {}),
            **_replicas(revision, transformer.scaling, transformer.resources.instances),
            **routed,
            **pod_spec(revision, place, container=CONTAINER, knative=knative, predictor_url=url),
        }
    queue = {QUEUE: revision.queue} if revision.queue else {}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": object_name(revision.deployment),
            "namespace": place.namespace,
            "labels": object_labels(revision.deployment, revision.serving_tool) | queue,
            "annotations": annotations,
        },
        "spec": spec,
    }


def predictor_url(deployment: str, namespace: str) -> str:
    """Where the pods of a namespace ask a deployment's predictor: KServe's own Service for it."""
    return f"http://{object_name(deployment)}-predictor.{namespace}"


def _scalings(revision: Revision) -> list[Scaling | None]:
    return [revision.scaling, None if revision.transformer is None else revision.transformer.scaling]


def _replicas(revision: Revision, scaling: Scaling | None, instances: int) -> Manifest:
    if scaling is None:
        # where the other component has an autoscaler, KServe makes one of this too
        fixed = {"maxReplicas": instances} if any(_scalings(revision)) and instances else {}
        return {"minReplicas": instances} | fixed
    words = {ScaleMetric.CPU: "cpu", ScaleMetric.MEMORY: "memory", ScaleMetric.CONCURRENCY: "concurrency"}
    return {
        "minReplicas": scaling.min_instances,
        "maxReplicas": scaling.max_instances,
        "scaleMetric": words.get(scaling.metric, "rps"),
        "scaleTarget": scaling.wanted,
    }


def _of_knative(scaling: Scaling | None) -> dict[str, str]:
    # The wait's own deadline is the one that counts, not Knative's.
    said: dict[str, str | None] = {_DEADLINE: f"{STARTUP_S}s"}
    if scaling is not None:
        window = scaling.stable_window_s
        panic, threshold = scaling.panic_window_percent, scaling.panic_threshold_percent
        said |= {
            _RETENTION: f"{scaling.retention_s}s" if scaling.retention_s else None,
            _WINDOW: None if window is None else f"{window}s",
            _PANIC_WINDOW: None if panic is None else f"{panic:.1f}",
            _PANIC_THRESHOLD: None if threshold is None else f"{threshold:.1f}",
        }
    return {name: value for name, value in said.items() if value is not None}
