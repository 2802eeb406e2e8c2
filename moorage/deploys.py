"""The deploys of a model deployment, as its ledger tells them: who, why, what, how long, and what came of it (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from moorage.deployment import Revision
from moorage.ledger import Event, LedgerEntry
from moorage.serving.verdict import Verdict
from moorage.waterfall import StepTiming


class DeployOutcome(StrEnum):
    """What came of one deploy. IN_FLIGHT: nothing yet, it goes on or was cut off."""

    LIVE = "LIVE"
    RESTORED = "RESTORED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"
    STOPPED = "STOPPED"
    IN_FLIGHT = "IN_FLIGHT"


# What an entry ends, in the words of a report.
_STEPS: Final = {
    Event.APPLIED: "provision predictor",
    Event.PROVEN: "wait for ready, smoke test",
    Event.PROMOTED: "promote revision",
    Event.FAILED: "wait for ready, smoke test",
    Event.RESTORED: "restore last good",
}


@dataclass(frozen=True)
class Deploy:
    """One revision from its proposal to its end.

    Attributes:
        began: when it was proposed: UTC, ISO 8601.
        actor, why: who proposed it, and for what reason.
        outcome: what came of it.
        replaced: number of the revision that was live before; None where none was.
        restored: number of the revision that was applied again; None where none was, or need not be.
        verdict: why it failed; None when it did not.
        steps: seconds of each part, from the proposal on.
    """

    revision: Revision
    began: str
    actor: str
    why: str
    outcome: DeployOutcome = DeployOutcome.IN_FLIGHT
    replaced: int | None = None
    restored: int | None = None
    verdict: Verdict | None = None
    steps: tuple[StepTiming, ...] = ()

    @property
    def took_s(self) -> float:
        """Seconds from the proposal to the last that is told of it."""
        return max((step.began_s + step.took_s for step in self.steps), default=0.0)


@dataclass
class _Telling:
    """One deploy while its entries are read."""

    entry: LedgerEntry
    revision: Revision
    replaced: int | None
    outcome: DeployOutcome = DeployOutcome.IN_FLIGHT
    restored: int | None = None
    verdict: Verdict | None = None
    steps: list[StepTiming] = field(default_factory=list)

    def take(self, entry: LedgerEntry) -> None:
        """What one more entry tells of it."""
        if (name := _STEPS.get(entry.event)) is not None:
            at = _seconds(entry) - _seconds(self.entry)
            before = max((step.began_s + step.took_s for step in self.steps), default=0.0)
            self.steps.append(StepTiming(name, before, max(0.0, at - before), entry.event is not Event.FAILED))
        if entry.event is Event.PROMOTED:
            self.outcome = DeployOutcome.LIVE
        elif entry.event is Event.FAILED:
            self.outcome, self.verdict = DeployOutcome.FAILED, entry.verdict
        elif entry.event is Event.RESTORED and entry.revision is not None:
            self.outcome, self.restored = DeployOutcome.RESTORED, entry.revision
        elif entry.event in (Event.STOPPED, Event.DELETED):
            self.outcome = DeployOutcome.STOPPED

    def told(self) -> Deploy:
        """All that was told of it."""
        return Deploy(
            self.revision,
            self.entry.time,
            self.entry.actor,
            self.entry.reason,
            self.outcome,
            self.replaced,
            self.restored,
            self.verdict,
            tuple(self.steps),
        )


def deploys_of(entries: Sequence[LedgerEntry]) -> list[Deploy]:
    """Every deploy, oldest first; a revision that was applied again counts as another one."""
    return [telling.told() for telling in _tell(entries)]


def _tell(entries: Sequence[LedgerEntry]) -> Iterator[_Telling]:
    current: _Telling | None = None
    live: int | None = None
    for entry in entries:
        if entry.event is Event.PROPOSED and entry.state.candidate is not None:
            if current is not None:
                if current.outcome is DeployOutcome.IN_FLIGHT:
                    current.outcome = DeployOutcome.SUPERSEDED
                yield current
            current = _Telling(entry, entry.state.candidate, None if live == entry.revision else live)
        elif current is not None and not (_is_over(current) and entry.event is not Event.RESTORED):
            current.take(entry)
        live = entry.state.live.number if entry.state.live else None
    if current is not None:
        yield current


def _is_over(telling: _Telling) -> bool:
    """Whether what comes later, a stop for example, is no longer about it."""
    return telling.outcome is not DeployOutcome.IN_FLIGHT


def _seconds(entry: LedgerEntry) -> float:
    return datetime.fromisoformat(entry.time).timestamp()
