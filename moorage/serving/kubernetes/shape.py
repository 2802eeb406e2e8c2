"""What KUBERNETES writes and reads (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from moorage.components import Component
from moorage.deployment import Revision
from moorage.predictor import ServingTool
from moorage.serving.cluster.kinds import AUTOSCALER, DEPLOYMENT, SERVICE, Kind
from moorage.serving.cluster.marks import Manifest, Place, number_in, object_name
from moorage.serving.cluster.podspec import revision_in
from moorage.serving.cluster.shape import Router, Wish
from moorage.serving.kubernetes.manifest import CONTAINER, manifests


@dataclass(frozen=True)
class KubernetesShape:
    """Deployment, Service, HorizontalPodAutoscaler, all under the deployment's own name."""

    tool: ServingTool = ServingTool.KUBERNETES
    container: str = CONTAINER
    kinds: tuple[Kind, ...] = (DEPLOYMENT, SERVICE, AUTOSCALER)
    left_behind: tuple[Kind, ...] = ()

    def workload(self, deployment: str, component: Component = Component.PREDICTOR) -> str:  # noqa: ARG002
        return object_name(deployment)

    def service(self, deployment: str, component: Component = Component.PREDICTOR) -> str:  # noqa: ARG002
        return object_name(deployment)

    def transformers(self, parent: Manifest) -> int | None:  # noqa: ARG002 - it has none
        return None

    def manifests(
        self,
        revision: Revision,
        place: Place,
        strategy: Manifest,
        *,
        running: bool,
        share: int | None = None,  # noqa: ARG002 - of the contract
    ) -> list[Manifest]:
        return manifests(revision, place, strategy, running=running)

    def routes(self, parent: Manifest) -> Router | None:  # noqa: ARG002 - of the contract
        return None

    def read(self, parent: Manifest) -> Wish:
        spec = parent["spec"]
        revision = revision_in(spec["template"]["spec"])
        replicas = spec.get("replicas", 1)
        least = replicas if revision is None or revision.scaling is None else revision.scaling.min_instances
        return Wish(number_in(spec["template"]["metadata"]), replicas > 0, least, revision)
