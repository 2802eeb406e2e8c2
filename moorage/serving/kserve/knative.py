"""What Knative says of a rollout: which revision requests are routed to, and whether that is settled (pure).

Knative keeps the old revision until the new one answered its probe, and moves traffic by itself; with no instance at
all it still answers, by starting one. So routes decide here, where pods and counts do elsewhere.
https://knative.dev/docs/serving/revisions/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from moorage.serving.cluster.marks import Manifest, number_in
from moorage.serving.cluster.shape import Route

# What KServe puts before the name of a Service that leads to the newest revision alone.
LATEST: Final = "latest"


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
    targets = [each for each in status.get("traffic") or () if each.get("percent") is not None]
    numbers = {part["metadata"]["name"]: number_in(part["metadata"]) for part in parts}
    routed = [str(each.get("revisionName")) for each in targets if each["percent"]]
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    newest = status.get("latestCreatedRevisionName")
    newest_is_ready = (
        ready
        and status.get("observedGeneration") == service["metadata"]["generation"]
        and number_in(service["spec"]["template"]["metadata"]) == applied
        and status.get("latestReadyRevisionName") == newest
    )
    # the same revision of ours may be two of Knative's: one that was applied again after another
    settled = newest_is_ready and bool(routed) and all(numbers.get(name) == applied for name in routed)
    known = [number for name in routed if (number := numbers.get(name)) is not None]
    older = [number for number in known if number != applied]
    shares = [each for each in targets if each.get("revisionName") == newest] if newest_is_ready else []
    canary = bool(shares) and len(shares) < len(targets)
    url = next((each["url"] for each in shares if each.get("url")), None) if canary else None
    return Route(settled, next(iter(older or known), None), canary, url)
