"""How a new revision's pods take the place of the old one's (pure)."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from enum import Enum
from typing import Final

from moorage.deployment import Revision, Strategy
from moorage.serving.cluster.capacity import fits
from moorage.serving.cluster.marks import Manifest
from moorage.serving.verdict import Verdict
from moorage.startup import Cause

# A quarter more pods at once, never one fewer: what answers now goes on until more do.
BESIDE: Final[Manifest] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}}
ONE_BY_ONE: Final[Manifest] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
ONE_AFTER_THE_OTHER: Final[Manifest] = {"type": "Recreate"}


class Room(Enum):
    """Where one more pod has room."""

    BESIDE = "beside those that run"
    INSTEAD = "only when one of those that run is gone"
    NOWHERE = "not even then"
    UNKNOWN = "nobody can tell, or none runs"


def room_for(spec: Manifest, nodes: Sequence[Manifest], pods: Sequence[Manifest], own: Set[str]) -> Room:
    """Where one more pod of a deployment has room.

    Args:
        pods: of all namespaces.
        own: the uids of those that the deployment has.
    """
    if fits(spec, nodes, pods):
        return Room.BESIDE
    # one at a time: that is how many make room before the new one must run
    for gone in own:
        if fits(spec, nodes, [pod for pod in pods if pod["metadata"]["uid"] != gone]):
            return Room.INSTEAD
    return Room.NOWHERE


def choose_strategy(revision: Revision, room: Room) -> Manifest:
    """The Deployment's strategy: what answers now is stopped first only where that makes room."""
    wanted = revision.rollout.strategy
    if wanted is Strategy.ROLLING or (wanted is Strategy.AUTO and room is not Room.INSTEAD):
        return BESIDE
    return ONE_BY_ONE if revision.least_instances > 1 else ONE_AFTER_THE_OTHER


def surge_of(revision: Revision) -> int:
    """How many pods more there are at once while they are replaced one beside the other."""
    return math.ceil(revision.least_instances / 4)


def announce(strategy: Manifest) -> str:
    """What a strategy means for who asks meanwhile."""
    if strategy == BESIDE:
        return "the old instances answer until the new ones do"
    if strategy == ONE_BY_ONE:
        return "no room for one more: instances are replaced one by one, with one fewer meanwhile"
    return "no room for one more: the old instance is stopped first, and nothing answers until the new one does"


def no_room(revision: Revision, short: str) -> Verdict:
    """Why ROLLING is refused where both do not fit."""
    return Verdict(
        Cause.UNSCHEDULABLE,
        f"Deployment {revision.deployment!r} has no room for one more instance beside those that run: {short}.",
        "rollout.strategy ROLLING starts the new one before the old one stops.",
        "Free some, or set rollout.strategy to AUTO: then nothing answers while one replaces the other.",
    )
