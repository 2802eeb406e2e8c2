"""How our objects are named and marked, so that nobody else's is ever touched (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from moorage.components import Component
from moorage.deployment import Revision
from moorage.predictor import ServingTool

Manifest = dict[str, Any]

FIELD_MANAGER: Final = "moorage"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
DEPLOYMENT: Final = "moorage.dev/deployment"
TOOL: Final = "moorage.dev/serving-tool"
REVISION: Final = "moorage.dev/revision"
DIGEST: Final = "moorage.dev/revision-digest"
# On the pods of a transformer alone: the predictor's are as they were before there were any.
COMPONENT: Final = "moorage.dev/component"
# Which store and project a deployment comes from: two of one name from two stores would fight over one object.
ORIGIN: Final = "moorage.dev/origin"
QUEUE: Final = "kueue.x-k8s.io/queue-name"


@dataclass(frozen=True)
class Place:
    """Where in the cluster, and as whom: the same for every deployment of a project.

    Attributes:
        store_secret: the Secret whose keys are the store's variables; None: the service account's own identity.
        ingress: base URL of what listens for the cluster's host names; None where those lead there by themselves, or
            nothing does.
        node_patience_s: how long a pod may wait for a node.
        logging: the variables that tell pods where exchanges are logged to.
        kafka_secret: the Secret whose keys are options of Kafka's client; None: there are none.
    """

    namespace: str
    project: str
    store_url: str
    service_account: str
    store_secret: str | None
    ingress: str | None = None
    node_patience_s: float = 3.0
    logging: Mapping[str, str] = field(default_factory=dict)
    kafka_secret: str | None = None

    @property
    def origin(self) -> str:
        """What tells our objects from those of another store or project."""
        return f"{self.store_url}#{self.project}"


def object_name(deployment: str) -> str:
    """The name of a deployment's objects: names in a cluster know no capitals."""
    return deployment.lower()


def object_labels(deployment: str, tool: ServingTool) -> dict[str, str]:
    """On every object of ours; while a deployment moves from one tool to the other, each sees its own alone."""
    return {MANAGED_BY: FIELD_MANAGER, DEPLOYMENT: deployment, TOOL: tool.lower()}


def pod_labels(revision: Revision) -> dict[str, str]:
    """On every pod of a revision."""
    return object_labels(revision.deployment, revision.serving_tool) | {REVISION: str(revision.number)}


def pod_annotations(revision: Revision) -> dict[str, str]:
    """On every pod of a revision; nothing in it changes while the revision does not, or its pods would restart."""
    return {DIGEST: revision.digest}


def number_in(metadata: Mapping[str, Any]) -> int | None:
    """The revision that labels name; None where they name none."""
    label = (metadata.get("labels") or {}).get(REVISION, "")
    return int(label) if label.isdecimal() else None


def selector(deployment: str, tool: ServingTool, component: Component | None = None) -> str:
    """Selects the objects of one deployment at one serving tool; those of one component, where one is named."""
    labels = object_labels(deployment, tool) | ({} if component is None else {COMPONENT: component.value})
    return ",".join(f"{name}={value}" for name, value in labels.items())


def is_ours(found: Mapping[str, Any], deployment: str, tool: ServingTool, origin: str) -> bool:
    """Whether an object belongs to just this deployment of this project of this store."""
    metadata = found["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    ours = object_labels(deployment, tool).items() <= labels.items()
    return ours and annotations.get(ORIGIN) == origin


def belongs_to(owner: Manifest, found: Manifest) -> bool:
    """Whether an object was made of just this one, and not of one of those that belong to it."""
    owners = found["metadata"].get("ownerReferences") or ()
    return any(each["uid"] == owner["metadata"]["uid"] for each in owners)
