"""How far a deployment has come, in Hopsworks' conditions: derived from what is seen, never stored (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from moorage.deployment import State
from moorage.startup import Cause

if TYPE_CHECKING:
    from moorage.serving.base import Observation


class Step(StrEnum):
    """What a deployment reaches on its way, in the order of time.

    STOPPED: nothing of it runs, or it is about to. SCHEDULED: there is room for it. INITIALIZED: its files are there,
    verified, and what runs it. STARTED: server and script run, and answered the smoke requests. READY: users reach it.
    """

    STOPPED = "STOPPED"
    SCHEDULED = "SCHEDULED"
    INITIALIZED = "INITIALIZED"
    STARTED = "STARTED"
    READY = "READY"


@dataclass(frozen=True)
class Condition:
    """The step that counts now.

    Attributes:
        type: the step.
        status: whether it is reached; None while it is on its way there, False when it never will be.
        reason: for people.
    """

    type: Step
    status: bool | None
    reason: str


_STEPS: Final[Mapping[Step, tuple[Cause, ...]]] = MappingProxyType(
    {
        Step.SCHEDULED: (
            Cause.UNSCHEDULABLE,
            Cause.QUOTA_EXCEEDED,
            Cause.HELD_BY_QUEUE,
            Cause.POD_REFUSED,
            Cause.WEBHOOK_DENIED,
            Cause.FORBIDDEN,
            Cause.FIELD_CONFLICT,
            Cause.OBJECT_REFUSED,
            Cause.OBJECT_TAKEN,
            Cause.NAMESPACE_TERMINATING,
            Cause.STUCK_TERMINATING,
            Cause.TOOL_MISSING,
            Cause.API_UNREACHABLE,
            Cause.ANOTHER_STORE,
            Cause.SUPERVISOR_GONE,
        ),
        Step.INITIALIZED: (
            Cause.IMAGE_PULL,
            Cause.PLACE_INCOMPLETE,
            Cause.FILES_MISSING,
            Cause.DIGEST_MISMATCH,
            Cause.DISK_FULL,
            Cause.STORE_DENIED,
            Cause.STORE_UNAVAILABLE,
            Cause.ENVIRONMENT_BROKEN,
        ),
        Step.READY: (
            Cause.PROBE_MISCONFIGURED,
            Cause.PORT_IN_USE,
            Cause.ADDRESS_UNUSABLE,
            Cause.UNREACHABLE,
        ),
    }
)


def step_of(cause: Cause) -> Step:
    """The step that such a failure keeps a deployment from; all that is not named is the script's and the server's."""
    return next((step for step, causes in _STEPS.items() if cause in causes), Step.STARTED)


def condition_of(seen: Observation) -> Condition:
    """How far the revision applied last has come."""
    if seen.state in (State.STOPPED, State.CREATED):
        return Condition(Step.STOPPED, True, seen.stage)
    if seen.state in (State.STOPPING, State.CREATING):
        return Condition(Step.STOPPED, None, seen.stage)
    if seen.verdict is not None:
        return Condition(step_of(seen.verdict.cause), False, seen.verdict.summary)
    if seen.state in (State.RUNNING, State.IDLE):
        return Condition(Step.READY, True, seen.stage)
    return Condition(seen.step or Step.SCHEDULED, None, seen.stage)
