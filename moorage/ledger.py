"""The append-only history of a model deployment: which revision was proposed, proven, promoted, restored, and why.

Each entry holds the whole state that it leads to, so the newest one says how things stand and all of them say how it
came to that. Entries are written by put-if-absent under their number: of two writers at once one is told to look
again, and decides anew on what the other wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field

from moorage.deployment import Revision
from moorage.errors import IntegrityError
from moorage.names import is_deployment_name
from moorage.noun import Noun
from moorage.predictor import ServingTool
from moorage.serving.verdict import Verdict
from moorage.store.base import ObjectStore
from moorage.store.log import LogEntry, NumberedLog
from moorage.store.newest import first_keys


class Event(StrEnum):
    """What happened to a model deployment."""

    CREATED = "CREATED"
    PROPOSED = "PROPOSED"
    ADOPTED = "ADOPTED"
    APPLIED = "APPLIED"
    PROVEN = "PROVEN"
    PROMOTED = "PROMOTED"
    FAILED = "FAILED"
    RESTORED = "RESTORED"
    STARTED = "STARTED"
    STOPPED = "STOPPED"
    DELETED = "DELETED"


class Failure(Noun):
    """That a revision failed, and why."""

    revision: int
    time: str = ""
    verdict: dict[str, Any]


class Quarantine(Failure):
    """A revision that failed: it is not tried again until something about it changes, or somebody insists."""


class LedgerState(Noun):
    """How a model deployment stands, as far as decisions go; what really runs is the backend's to say.

    Attributes:
        last_number: the highest revision number given out so far.
        live: the revision that was promoted last: the last good one.
        candidate: the revision in flight; only it may be applied.
        serving_tool: where it was proposed to run last; what failed may have left something there to look at.
        quarantine: failed revisions by digest.
        stopped: somebody stopped the deployment, or made it without a start; it stays stopped until it is started or
            deployed.
        last_failure: what failed last and was not made up for by a promotion since.
        deleted: nothing of it is left but this history.
    """

    last_number: int = 0
    live: Revision | None = None
    candidate: Revision | None = None
    serving_tool: ServingTool = ServingTool.LOCAL
    quarantine: dict[str, Quarantine] = Field(default={})
    stopped: bool = False
    last_failure: Failure | None = None
    deleted: bool = False

    @property
    def newest(self) -> Revision | None:
        """The revision that should be applied now: the one in flight, else the last good one."""
        return self.candidate or self.live


@dataclass(frozen=True)
class LedgerEntry:
    """One line of the history; `state` is what it led to."""

    seq: int
    time: str
    actor: str
    event: Event
    revision: int | None
    reason: str
    verdict: Verdict | None
    state: LedgerState


@dataclass(frozen=True)
class Change:
    """What a decision adds to the history."""

    event: Event
    state: LedgerState
    revision: int | None = None
    reason: str = ""
    verdict: Verdict | None = None


class Ledger:
    """The history of one model deployment, in the project's store."""

    def __init__(self, store: ObjectStore, project: str, deployment: str, *, actor: str = "") -> None:
        self._log = NumberedLog(store, f"{_prefix(project)}{deployment}/")
        self._actor = actor

    def state(self) -> LedgerState:
        """How things stand; a deployment without a history has the state of one that was never proposed."""
        entry = self.newest()
        return LedgerState() if entry is None else entry.state

    def state_at(self, key: str) -> LedgerState:
        """How things stood when the entry under this key was written."""
        return _entry_of(self._log.at(key)).state

    def newest(self) -> LedgerEntry | None:
        """The entry written last; None where there is no history. Raises IntegrityError when it cannot be read."""
        entry = self._log.newest()
        return None if entry is None else _entry_of(entry)

    def history(self) -> list[LedgerEntry]:
        """Every entry, oldest first. Raises IntegrityError when one was altered."""
        return [_entry_of(entry) for entry in self._log.entries()]

    def record(self, decide: Callable[[LedgerState], Change | None]) -> LedgerState:
        """Writes what `decide` makes of the newest state and returns the state that then holds.

        `decide` is called again whenever somebody else wrote in between, so it must be pure; it may raise, and
        nothing is written. None writes nothing.
        """
        decided = LedgerState()

        def body(newest: LogEntry | None) -> dict[str, Any] | None:
            nonlocal decided
            before = LedgerState() if newest is None else _entry_of(newest).state
            change = decide(before)
            decided = before if change is None else change.state
            return None if change is None else _body_of(change)

        self._log.append(body, actor=self._actor)
        return decided


def states_of(store: ObjectStore, project: str, names: Collection[str]) -> dict[str, LedgerState | IntegrityError]:
    """By name, how each of these deployments stands, or why its ledger cannot be read; by few reads for many."""
    newest = first_keys(store, _prefix(project), names)

    def state(name: str) -> LedgerState | IntegrityError:
        if name not in newest:
            return LedgerState()
        try:
            return Ledger(store, project, name).state_at(newest[name][0])
        except IntegrityError as error:
            return error

    with ThreadPoolExecutor(max(1, min(len(names), store.parallel))) as pool:
        return dict(zip(names, pool.map(state, names), strict=True))


def deployments_in(store: ObjectStore, project: str) -> list[str]:
    """The names of all deployments of a project that were ever proposed and not deleted since, sorted.

    One whose ledger cannot be read is among them; what no deployment can be called is somebody else's, and is not.
    """
    prefix = _prefix(project)
    places = (info.key.removeprefix(prefix).partition("/") for info in store.list(prefix))
    names = sorted({name for name, in_folder, _ in places if in_folder and is_deployment_name(name)})
    return [name for name in names if not _is_deleted(Ledger(store, project, name))]


def _is_deleted(ledger: Ledger) -> bool:
    try:
        return ledger.state().deleted
    except IntegrityError:
        return False


def _prefix(project: str) -> str:
    return f"Projects/{project}/Ledger/"


def _body_of(change: Change) -> dict[str, Any]:
    return {
        "event": change.event.value,
        "revision": change.revision,
        "reason": change.reason,
        "verdict": change.verdict.to_dict() if change.verdict else None,
        "state": change.state.model_dump(mode="json"),
    }


def _entry_of(entry: LogEntry) -> LedgerEntry:
    body = entry.body
    try:
        return LedgerEntry(
            seq=entry.seq,
            time=entry.time,
            actor=entry.actor,
            event=Event(body["event"]),
            revision=body["revision"],
            reason=body["reason"],
            verdict=Verdict.from_dict(body["verdict"]) if body["verdict"] else None,
            state=LedgerState.model_validate(body["state"]),
        )
    except (ValueError, KeyError, TypeError) as exc:
        raise IntegrityError(
            f"Ledger entry {entry.seq}, written by {entry.actor} at {entry.time}, cannot be read: {exc}.",
            "Every entry holds an event and a state that this version knows.",
            "A newer Moorage may have written it: use that one.",
        ) from exc
