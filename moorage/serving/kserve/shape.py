"""What KSERVE writes and reads (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from moorage.components import Component
from moorage.deployment import Revision
from moorage.predictor import ServingTool
from moorage.serving.cluster.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    INFERENCE_SERVICE,
    KNATIVE_REVISION,
    KNATIVE_SERVICE,
    SERVICE,
    Kind,
)
from moorage.serving.cluster.marks import Manifest, Place, number_in, object_name
from moorage.serving.cluster.podspec import revision_in
from moorage.serving.cluster.shape import Router, Wish
from moorage.serving.kserve.knative import read_route
from moorage.serving.kserve.manifest import CONTAINER, SHARE, STOP, inference_service, is_knative
from moorage.serving.verdict import Verdict
from moorage.startup import Cause

# https://github.com/kserve/kserve/blob/v0.20.0/pkg/apis/serving/v1beta1/inference_service_status.go
_INVALID: str = "InvalidSpec"
_RECONCILE_FAILED: str = "ReconcileFailed"
# It lost a race with Knative's own controller, and is about to try again.
_LOST_A_RACE: str = "the object has been modified"


@dataclass(frozen=True)
class KServeShape:
    """One InferenceService; KServe makes Deployment, Service and autoscaler from it, named after its predictor."""

    tool: ServingTool = ServingTool.KSERVE
    container: str = CONTAINER
    kinds: tuple[Kind, ...] = (INFERENCE_SERVICE,)
    # as tried with v0.20; whichever mode it ran in
    left_behind: tuple[Kind, ...] = (AUTOSCALER, DEPLOYMENT, SERVICE, KNATIVE_SERVICE)

    def workload(self, deployment: str, component: Component = Component.PREDICTOR) -> str:
        return f"{object_name(deployment)}-{component}"

    def service(self, deployment: str, component: Component = Component.PREDICTOR) -> str:
        return f"{object_name(deployment)}-{component}"

    def transformers(self, parent: Manifest) -> int | None:
        transformer = parent["spec"].get("transformer")
        return None if transformer is None else int(transformer.get("minReplicas", 1))

    def manifests(
        self, revision: Revision, place: Place, strategy: Manifest, *, running: bool, share: int | None = None
    ) -> list[Manifest]:
        return [inference_service(revision, place, strategy, running=running, share=share)]

    def routes(self, parent: Manifest) -> Router | None:
        return Router(KNATIVE_SERVICE, KNATIVE_REVISION, read_route) if is_knative(parent) else None

    def read(self, parent: Manifest) -> Wish:
        predictor = parent["spec"]["predictor"]
        running = (parent["metadata"].get("annotations") or {}).get(STOP) != "true"
        least = predictor.get("minReplicas", 1)
        return Wish(
            number_in(predictor),
            running,
            least,
            revision_in(predictor),
            _refusal(parent),
            share=predictor.get(SHARE),
        )


def _refusal(parent: Manifest) -> Verdict | None:
    """Why KServe does not go on; its `Ready` is not asked, for it may be that of the revision before.

    Nor is its last failure, which stays there after it was mended: the pods tell what is true now.
    """
    status = parent.get("status") or {}
    model = status.get("modelStatus") or {}
    if model.get("transitionStatus") == _INVALID:
        failure = model.get("lastFailureInfo") or {}
        said = failure.get("message") or failure.get("reason") or "it says no more"
        return Verdict(Cause.OBJECT_REFUSED, f"KServe takes its InferenceService for invalid: {said}.")
    for each in status.get("conditions") or ():
        if each.get("reason") == _RECONCILE_FAILED and each.get("status") == "False":
            said = str(each.get("message", "")).rstrip(".")
            if _LOST_A_RACE in said:
                continue
            return Verdict(
                Cause.OBJECT_REFUSED,
                f"KServe could not make what belongs to its InferenceService: {said}.",
                mend="See the events: `kubectl describe inferenceservice`.",
            )
    return None
