"""What Knative says of a rollout: which revision requests are routed to, and whether that is settled (pure).

Knative keeps the old revision until the new one answered its probe, and moves traffic by itself; with no instance at
all it still answers, by starting one. So routes decide here, where pods and counts do elsewhere.
https://knative.dev/docs/serving/revisions/
"""

from __future__ import annotations

from collections.abc import Sequence

from moorage.serving.cluster.marks import Manifest, number_in
from moorage.serving.cluster.shape import Route


def read_route(service: Manifest | None, parts: Sequence[Manifest], applied: int | None) -> Route:
    """Where requests go.

    Args:
        service: Knative's Service; None while there is none.
        parts: its Revisions, each with the labels of the pods that it makes.
        applied: the revision of ours that was applied last.
    """
    if service is None:
        return Route(settled=False, serving=None)
    status = service.get("status") or {}
    numbers = {part["metadata"]["name"]: number_in(part["metadata"]) for part in parts}
    routed = [str(each.get("revisionName")) for each in status.get("traffic") or () if each.get("percent")]
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    newest = status.get("latestCreatedRevisionName")
    settled = (
        ready
        and status.get("observedGeneration") == service["metadata"]["generation"]
        and number_in(service["spec"]["template"]["metadata"]) == applied
        and routed == [newest]
        and status.get("latestReadyRevisionName") == newest
    )
    known = [number for name in routed if (number := numbers.get(name)) is not None]
    older = [number for number in known if number != applied]
    return Route(settled, next(iter(older or known), None))
