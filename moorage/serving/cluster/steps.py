"""How far the pods of a revision have come (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from moorage.serving.cluster.marks import Manifest
from moorage.serving.conditions import Step


def next_step(pods: Sequence[Manifest], container: str) -> Step:
    """What the one that is furthest behind is about to reach; SCHEDULED while there is none.

    Args:
        container: the name of the serving container.
    """
    order = list(Step)
    return min((_of_one(pod, container) for pod in pods), key=order.index, default=Step.SCHEDULED)


def _of_one(pod: Manifest, container: str) -> Step:
    status = pod.get("status") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    if conditions.get("Ready") == "True":
        return Step.READY
    if conditions.get("PodScheduled") != "True":
        return Step.SCHEDULED
    runs = any(
        each["name"] == container and "running" in (each.get("state") or {})
        for each in status.get("containerStatuses") or ()
    )
    return Step.STARTED if runs else Step.INITIALIZED
