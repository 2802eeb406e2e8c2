"""What came of deploying all that a folder declares: a row for each deployment (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from moorage.errors import InvalidSpec, MoorageError, Quarantined, SomeFailed, Superseded
from moorage.planning import Action, Planned
from moorage.report import DeployReport, Outcome


class Result(StrEnum):
    """What became of one declared deployment."""

    UNCHANGED = "UNCHANGED"
    DEPLOYED = "DEPLOYED"
    PLANNED = "PLANNED"
    KEPT = "KEPT"
    STOPPED = "STOPPED"
    QUARANTINED = "QUARANTINED"
    SUPERSEDED = "SUPERSEDED"
    UNDECLARED = "UNDECLARED"
    PRUNED = "PRUNED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"


_BAD: Final = frozenset({Result.REFUSED, Result.FAILED})
# What people want to see first.
_ORDER: Final = (
    *(Result.FAILED, Result.REFUSED, Result.QUARANTINED, Result.DEPLOYED, Result.PLANNED, Result.PRUNED),
    *(Result.UNDECLARED, Result.SUPERSEDED, Result.KEPT, Result.STOPPED, Result.UNCHANGED),
)
_RESULTS: Final = {
    Action.NOTHING: Result.UNCHANGED,
    Action.LEAVE_STOPPED: Result.STOPPED,
    Action.LEAVE_QUARANTINED: Result.QUARANTINED,
    Action.REFUSE: Result.REFUSED,
}
_SHOWN: Final = 3


@dataclass(frozen=True)
class Row:
    """One deployment, or one file that declares none.

    Attributes:
        result: KEPT: what is live is better; PLANNED: it would be deployed, in a dry run; STOPPED: somebody stopped
            it, and it stays so; QUARANTINED: just this failed before; UNDECLARED: it was declared before, and runs on;
            PRUNED: so it was retired.
        detail: why, or what changed.
        took_s: seconds that its deploy took.
    """

    deployment: str
    file: str
    result: Result
    detail: str = ""
    took_s: float = 0

    @property
    def is_bad(self) -> bool:
        """Whether somebody has to do something about it."""
        return self.result in _BAD


def as_planned(file: str, planned: Planned) -> Row:
    """The row of a deployment that nobody deploys, or not yet."""
    name, action = planned.deployment, planned.action
    told = planned.reason or "; ".join(planned.changes) or ("new" if action is Action.CREATE else "")
    return Row(name, file, _RESULTS.get(action, Result.PLANNED), told)


def as_deployed(row: Row, report: DeployReport, took_s: float) -> Row:
    """The row of a deployment that was deployed; `row` says what was planned."""
    result = Result.UNCHANGED if report.outcome is Outcome.NOTHING_TO_DO else Result.DEPLOYED
    changes = f": {row.detail}" if row.detail else ""
    return replace(row, result=result, detail=f"revision {report.revision} is live{changes}", took_s=took_s)


def as_kept(row: Row, why: str) -> Row:
    """The row of a deployment whose live revision stays, for the other model version is not better."""
    return replace(row, result=Result.KEPT, detail=why)


def as_failed(row: Row, error: MoorageError, took_s: float) -> Row:
    """The row of a deployment whose deploy came to nothing."""
    results = {Superseded: Result.SUPERSEDED, Quarantined: Result.QUARANTINED, InvalidSpec: Result.REFUSED}
    return replace(row, result=results.get(type(error), Result.FAILED), detail=str(error), took_s=took_s)


@dataclass(frozen=True)
class Reconciliation:
    """What one run of `redeploy_declared` did, or would do when it was a dry run."""

    place: str
    rows: tuple[Row, ...]
    dry_run: bool = False

    @property
    def headline(self) -> str:
        """One sentence: what came of it."""
        counted = [
            f"{count} {result.lower()}"
            for result in _ORDER
            if (count := sum(row.result is result for row in self.rows))
        ]
        return f"{self.place}: {', '.join(counted) or 'nothing declared'}"

    @property
    def table(self) -> list[dict[str, str]]:
        """The rows as a table shows them, what needs somebody's hand first."""
        ordered = sorted(self.rows, key=lambda row: (_ORDER.index(row.result), row.deployment, row.file))
        return [
            {
                "deployment": row.deployment or "?",
                "result": row.result.lower(),
                "detail": row.detail,
                "file": row.file,
                "seconds": f"{row.took_s:.1f}" if row.took_s else "",
            }
            for row in ordered
        ]

    def check(self) -> None:
        """Raises SomeFailed, naming them, when a deployment was refused or failed."""
        if bad := [row for row in self.rows if row.is_bad]:
            raise SomeFailed(
                f"{len(bad)} of {len(self.rows)} declared deployments failed: {_listed(bad)}",
                mend="The table of this run says of each what to do; the others are as they were declared.",
            )


def _listed(rows: Iterable[Row]) -> str:
    told = [f"{row.deployment or row.file}: {row.detail}" for row in rows]
    more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    return "; ".join(told[:_SHOWN]) + more
