"""The kinds of objects that we read or write, and where the API server has them (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Kind:
    """One resource of the API.

    Attributes:
        version: group and version as manifests write them: `v1`, `apps/v1`.
        plural: as its paths have it.
        namespaced: whether its objects lie in a namespace.
    """

    version: str
    name: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return self.version.rpartition("/")[0]

    def path(self, namespace: str, name: str = "") -> str:
        """The path of the collection, or of one object; an empty namespace stands for all of them."""
        root = f"/apis/{self.version}" if self.group else f"/api/{self.version}"
        where = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{where}/{self.plural}" + (f"/{name}" if name else "")


POD: Final = Kind("v1", "Pod", "pods")
SERVICE: Final = Kind("v1", "Service", "services")
EVENT: Final = Kind("v1", "Event", "events")
NODE: Final = Kind("v1", "Node", "nodes", namespaced=False)
NAMESPACE: Final = Kind("v1", "Namespace", "namespaces", namespaced=False)
SECRET: Final = Kind("v1", "Secret", "secrets")
SERVICE_ACCOUNT: Final = Kind("v1", "ServiceAccount", "serviceaccounts")
QUOTA: Final = Kind("v1", "ResourceQuota", "resourcequotas")
LIMIT_RANGE: Final = Kind("v1", "LimitRange", "limitranges")
DEPLOYMENT: Final = Kind("apps/v1", "Deployment", "deployments")
AUTOSCALER: Final = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
INFERENCE_SERVICE: Final = Kind("serving.kserve.io/v1beta1", "InferenceService", "inferenceservices")
KNATIVE_SERVICE: Final = Kind("serving.knative.dev/v1", "Service", "services")
KNATIVE_REVISION: Final = Kind("serving.knative.dev/v1", "Revision", "revisions")
LOCAL_QUEUE: Final = Kind("kueue.x-k8s.io/v1beta1", "LocalQueue", "localqueues")
ACCESS_REVIEW: Final = Kind(
    "authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False
)

_APPLIED: Final = (SERVICE, DEPLOYMENT, AUTOSCALER, INFERENCE_SERVICE)


def kind_of(manifest: dict[str, Any]) -> Kind:
    """The kind that a manifest of ours names."""
    named = (manifest["apiVersion"], manifest["kind"])
    return next(kind for kind in _APPLIED if (kind.version, kind.name) == named)
