"""The references log of a model: who moved which alias, pinned, tagged and deleted what, when, and why.

Each entry holds the whole state that it leads to. A verb reads the newest, decides, and writes the next number: if
somebody else was first, it decides anew on what they wrote.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from moorage.errors import CallerError, IntegrityError, MoorageError, NotFound
from moorage.names import check_alias, check_deployment_name
from moorage.registry.access import Access
from moorage.registry.artifacts import ArtifactShelf
from moorage.registry.manifests import find_version
from moorage.registry.news import AliasMoved
from moorage.registry.references import (
    Pin,
    ReferenceEvent,
    References,
    beyond_newest,
    check_not_deleted,
    pins_as_json,
    with_aliases,
    with_deleted,
    with_pins,
    with_tag,
    without_tag,
)
from moorage.store.log import LogEntry

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReferenceEntry:
    """One line of the history; `change` says what was asked for, `state` what it led to."""

    seq: int
    time: str
    actor: str
    reason: str
    event: ReferenceEvent
    change: dict[str, Any]
    state: References


class ReferenceLog:
    """What points to the versions of one model, and how it came to that.

    Verbs return the entry they wrote, or None when all was so already and nothing was written. They raise NotFound
    for a version that was never committed or was deleted, with nothing written.
    """

    def __init__(self, access: Access, name: str) -> None:
        self._access = access
        self._name = name
        self._log = access.log(access.keys.references(name))

    def state(self) -> References:
        """What points to the versions now."""
        return self._state_of(self._log.newest())

    def state_at(self, key: str) -> References:
        """What pointed to them when the entry under this key was written."""
        return self._state_of(self._log.at(key))

    def history(self) -> list[ReferenceEntry]:
        """All entries, oldest first; raises IntegrityError when one was altered."""
        return [self._entry_of(entry) for entry in self._log.entries()]

    def move_aliases(
        self, moves: Mapping[str, int | None], *, actor: str = "", reason: str = ""
    ) -> ReferenceEntry | None:
        """Points all these aliases to these versions, or takes those with None away, in one write.

        Raises:
            InvalidName: an alias that no version may be called.
        """
        for alias in moves:
            check_alias(alias)
        versions = [version for version in moves.values() if version is not None]
        self._check_committed(*versions)

        def change(state: References) -> References:
            check_not_deleted(state, self._name, *versions)
            return with_aliases(state, moves)

        entry = self._record(ReferenceEvent.ALIASES_MOVED, dict(moves), change, actor=actor, reason=reason)
        if entry is not None:
            for alias, version in moves.items():
                self._access.tell(AliasMoved(self._name, alias, version, entry.seq))
        return entry

    def pin(
        self, deployment: str, pins: Collection[Pin], *, actor: str = "", reason: str = ""
    ) -> ReferenceEntry | None:
        """Says all that the deployment may run, in place of what it ran: none of it can be deleted any more.

        Raises:
            NotFound: likewise for an artifact version that does not exist.
        """
        return self.repin(deployment, lambda _: pins, actor=actor, reason=reason)

    def unpin(self, deployment: str, *, actor: str = "", reason: str = "") -> ReferenceEntry | None:
        """Says that the deployment runs no version of this model any more."""
        return self.pin(deployment, (), actor=actor, reason=reason)

    def repin(
        self,
        deployment: str,
        decide: Callable[[References], Collection[Pin]],
        *,
        actor: str = "",
        reason: str = "",
    ) -> ReferenceEntry | None:
        """Pins the deployment to what `decide` makes of the references as they are.

        `decide` may read: it is asked after the references were read, and again whenever somebody else wrote to them
        in between. So what it read was true when they were as they are.

        Raises:
            NotFound: likewise for an artifact version that does not exist.
        """
        check_deployment_name(deployment)
        asked: dict[str, Any] = {"deployment": deployment}

        def change(state: References) -> References:
            pins = frozenset(decide(state))
            asked["pins"] = pins_as_json(pins)
            for pin in sorted(pins - state.pins_of(deployment)):
                self._check_pinnable(state, pin)
            return with_pins(state, deployment, pins)

        def event(state: References) -> ReferenceEvent:
            return ReferenceEvent.PINNED if state.pins_of(deployment) else ReferenceEvent.UNPINNED

        return self._record(event, asked, change, actor=actor, reason=reason)

    def set_tag(
        self, version: int, tag: str, value: Any, *, actor: str = "", reason: str = ""
    ) -> ReferenceEntry | None:
        """Tags the version with a value, in place of the tag's former one.

        Raises:
            CallerError: JSON cannot hold the value, or the tag has no name.
        """
        value = check_tag(tag, value)
        self._check_committed(version)

        def change(state: References) -> References:
            check_not_deleted(state, self._name, version)
            return with_tag(state, version, tag, value=value)

        asked = {"version": version, "tag": tag, "value": value}
        return self._record(ReferenceEvent.TAGGED, asked, change, actor=actor, reason=reason)

    def delete_tag(self, version: int, tag: str, *, actor: str = "", reason: str = "") -> ReferenceEntry | None:
        """Takes the tag off the version."""
        self._check_committed(version)

        def change(state: References) -> References:
            check_not_deleted(state, self._name, version)
            return without_tag(state, version, tag)

        asked = {"version": version, "tag": tag}
        return self._record(ReferenceEvent.UNTAGGED, asked, change, actor=actor, reason=reason)

    def delete(self, version: int, *, actor: str = "", reason: str = "") -> ReferenceEntry | None:
        """Deletes the version: at once it is found no more, then its files go. Deleting twice is not an error.

        Files that a crash leaves behind are removed by garbage collection. The number is never used again.

        Raises:
            CallerError: an alias points to the version, or a deployment is pinned to it.
        """
        self._check_committed(version)

        def change(state: References) -> References:
            return state if version in state.deleted else with_deleted(state, self._name, version)

        asked = {"versions": [version]}
        entry = self._record(ReferenceEvent.DELETED, asked, change, actor=actor, reason=reason)
        try:
            self._access.remove(self._access.keys.version_files(self._name, version))
        except MoorageError as error:
            logger.warning("Model %r version %d is deleted, but files of it are left: %s", self._name, version, error)
        return entry

    def retain(
        self,
        committed: list[int],
        keep: int,
        *,
        spare: Callable[[], Collection[int]] = tuple,
        actor: str = "",
        reason: str = "",
    ) -> list[int]:
        """Deletes, in one write, what `beyond_newest` names, and returns it; their files are left to the caller.

        Args:
            spare: says which versions are spared; asked after the references were read, as `repin` asks, so that what
                was pinned when they were read, or became worth sparing before, is spared.
        """
        doomed: list[int] = []

        def change(state: References) -> References:
            doomed[:] = beyond_newest(state, committed, keep, spare=spare)
            for version in doomed:
                state = with_deleted(state, self._name, version)
            return state

        asked = {"keep": keep}
        self._record(ReferenceEvent.DELETED, asked, change, actor=actor, reason=reason)
        return doomed

    def check_exists(self, version: int) -> None:
        """Raises NotFound, saying when and by whom, when the version was deleted."""
        newest = self._log.newest()
        if newest is None or version not in self._state_of(newest).deleted:
            return
        # Deleted for ever: the entries before do not hold it, all after do.
        seqs = range(1, newest.seq + 1)
        seq = seqs[bisect_left(seqs, True, key=lambda number: version in self._state_at(number).deleted)]
        entry = self._entry_at(seq)
        raise NotFound(
            f"Version {version} of model {self._name!r} was deleted on {entry.time}"
            f"{f' by {entry.actor}' if entry.actor else ''}{f': {entry.reason}' if entry.reason else ''}.",
            "",
            "Name another version, or publish the model again.",
        )

    def _record(
        self,
        event: ReferenceEvent | Callable[[References], ReferenceEvent],
        asked: dict[str, Any],
        change: Callable[[References], References],
        *,
        actor: str,
        reason: str,
    ) -> ReferenceEntry | None:
        def decide(newest: LogEntry | None) -> dict[str, Any] | None:
            before = self._state_of(newest)
            after = change(before)
            if after == before:
                return None
            happened = event if isinstance(event, ReferenceEvent) else event(after)
            return {"event": happened, "change": asked, "reason": reason, **after.to_json()}

        entry = self._log.append(decide, actor=actor)
        if entry is None:
            return None
        written = self._entry_of(entry)
        logger.info("Model %r: %s %s", self._name, written.event, asked)
        return written

    def _check_pinnable(self, state: References, pin: Pin) -> None:
        self._check_committed(pin.version)
        check_not_deleted(state, self._name, pin.version)
        ArtifactShelf(self._access, name=self._name, model_version=pin.version).get(pin.artifact)

    def _check_committed(self, *versions: int) -> None:
        # Once committed is committed for ever, so this need not be looked at again when another writer was first.
        missing = sorted({version for version in versions if find_version(self._access, self._name, version) is None})
        if missing:
            raise NotFound(
                f"Model {self._name!r} has no version {', '.join(map(str, missing))}.",
                "Aliases, pins and tags belong to a version that exists.",
                "Name one that exists, or publish the model first.",
            )

    def _state_at(self, seq: int) -> References:
        return self._entry_at(seq).state

    def _entry_at(self, seq: int) -> ReferenceEntry:
        entry = self._log.entry(seq)
        if entry is None:
            raise IntegrityError(
                f"Entry {seq} of the references of model {self._name!r} is missing.",
                "Entries are never removed.",
                "Restore it from a backup of the store.",
            )
        return self._entry_of(entry)

    def _state_of(self, entry: LogEntry | None) -> References:
        return References() if entry is None else self._entry_of(entry).state

    def _entry_of(self, entry: LogEntry) -> ReferenceEntry:
        body = entry.body
        try:
            event, state = ReferenceEvent(body["event"]), References.from_json(body)
            return ReferenceEntry(entry.seq, entry.time, entry.actor, body["reason"], event, body["change"], state)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise IntegrityError(
                f"Entry {entry.seq} of the references of model {self._name!r} is not one that Moorage wrote.",
                "Entries are written once and never changed.",
                "Restore it from a backup of the store.",
            ) from None


def check_tag(tag: str, value: Any) -> Any:
    """The value as JSON gives it back; raises CallerError when JSON cannot hold it, or the tag has no name."""
    if not tag:
        raise CallerError("The tag has no name.", "", "Name it.")
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise CallerError(
            f"The value of tag {tag!r} cannot be written as JSON: {error}.",
            "It takes numbers, text, true, false, null, lists, and mappings with text as keys.",
            "Turn it into these.",
        ) from error
