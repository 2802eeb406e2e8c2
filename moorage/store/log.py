"""The append-only history in the store: numbered entries, each naming the SHA-256 of the one before.

Entry s lies under the number turned round, so that the newest sorts first and a list of one finds it. Written by
put-if-absent only: two writers never get one number, and what was answered stays true for ever.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage.errors import IntegrityError, NotFound
from moorage.store.backoff import tries
from moorage.store.base import ObjectStore
from moorage.store.records import Clock, put_record, read_record, timestamp, unreadable, utc_now

_DIGITS: Final = 10
_LARGEST: Final = 10**_DIGITS - 1


def inverted(number: int) -> str:
    """The number turned round, in ten digits: the larger sorts first. Its own inverse, by `int`."""
    if not 0 <= number <= _LARGEST:
        raise ValueError(f"{number} is not between 0 and {_LARGEST}")
    return f"{_LARGEST - number:0{_DIGITS}d}"


@dataclass(frozen=True)
class LogEntry:
    """One entry.

    Attributes:
        seq: its number, from 1, without gaps.
        time: when its writer wrote it, by the writer's clock: UTC, ISO 8601 with milliseconds.
        actor: who wrote it; may be empty.
        body: what it says, a JSON object.
        sha256: of the entry's bytes in the store, hexadecimal.
    """

    seq: int
    time: str
    actor: str
    body: dict[str, Any]
    sha256: str


Decide = Callable[[LogEntry | None], dict[str, Any] | None]
PutRecord = Callable[[ObjectStore, str, Mapping[str, Any]], bytes | None]


class NumberedLog:
    """The log whose entries lie directly under `prefix`, which ends with '/'.

    Args:
        put: how an entry is written, as `put_record` does it; pause: how to wait between two tries.
        get_newest: gets the newest entry, and may remember it; `store.get` by default, as for all others.
    """

    def __init__(
        self,
        store: ObjectStore,
        prefix: str,
        *,
        clock: Clock = utc_now,
        put: PutRecord = put_record,
        pause: Callable[[float], None] = time.sleep,
        get_newest: Callable[[str], bytes] | None = None,
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._clock = clock
        self._put = put
        self._pause = pause
        self._get_newest = get_newest or store.get

    def newest(self) -> LogEntry | None:
        """The entry with the largest number, or None when there is none yet."""
        for found in self._store.list(self._prefix, limit=1):
            return self.at(found.key)
        return None

    def at(self, key: str) -> LogEntry:
        """The entry under a key that a list showed."""
        return self._read(self._seq_of(key), get=self._get_newest)[0]

    def entry(self, seq: int) -> LogEntry | None:
        """Entry `seq`, or None when there is none."""
        if not 1 <= seq <= _LARGEST or self._store.head(self._key(seq)) is None:
            return None
        return self._read(seq)[0]

    def entries(self) -> list[LogEntry]:
        """All entries, oldest first, each checked against the hash that the next one names.

        Raises:
            IntegrityError: an entry was changed or removed; names it.
        """
        newest = self.newest()
        # By number, not by list: a list that runs beside writers may show an entry and miss the one before.
        read = [self._read(seq) for seq in range(1, newest.seq + 1)] if newest else []
        expected = ""
        for entry, previous_sha256 in read:
            if previous_sha256 != expected:
                raise self._broken(entry.seq - 1, expected, previous_sha256)
            expected = entry.sha256
        return [entry for entry, _ in read]

    def append(self, decide: Decide, *, actor: str) -> LogEntry | None:
        """Writes what `decide` makes of the newest entry; asks it again whenever another writer was first.

        Args:
            decide: gets the newest entry, or None; returns the body to write, or None when there is nothing to
                write. May be called many times; what it raises is passed on, with nothing written.
            actor: who writes.

        Returns:
            The entry written, or None when there was nothing to write.
        """
        for _ in tries(f"appending to the log {self._prefix!r}", sleep=self._pause):
            newest = self.newest()
            body = decide(newest)
            if body is None:
                return None
            if written := self._write(newest, body, actor=actor):
                return written
        raise AssertionError("unreachable: tries() raises when they run out")

    def _write(self, newest: LogEntry | None, body: dict[str, Any], *, actor: str) -> LogEntry | None:
        seq = newest.seq + 1 if newest else 1
        fields = {
            "seq": seq,
            "time": timestamp(self._clock),
            "actor": actor,
            "body": body,
            "prev_sha256": newest.sha256 if newest else "",
        }
        written = self._put(self._store, self._key(seq), fields)
        return self._parse(seq, written)[0] if written else None

    def _read(self, seq: int, *, get: Callable[[str], bytes] | None = None) -> tuple[LogEntry, str]:
        try:
            return self._parse(seq, (get or self._store.get)(self._key(seq)))
        except NotFound:
            raise IntegrityError(
                f"Entry {seq} of the log {self._prefix!r} is missing.",
                "Entries are never removed.",
                "Restore it from a backup of the store.",
            ) from None

    def _parse(self, seq: int, content: bytes) -> tuple[LogEntry, str]:
        key = self._key(seq)
        record = read_record(key, content)
        try:
            if record["seq"] != seq or not isinstance(record["body"], dict):
                raise unreadable(key)
            sha256 = hashlib.sha256(content).hexdigest()
            entry = LogEntry(seq, record["time"], record["actor"], record["body"], sha256)
            return entry, record["prev_sha256"]
        except KeyError:
            raise unreadable(key) from None

    def _key(self, seq: int) -> str:
        return f"{self._prefix}{inverted(seq)}.json"

    def _seq_of(self, key: str) -> int:
        digits = key.removeprefix(self._prefix).removesuffix(".json")
        if len(digits) != _DIGITS or not digits.isdecimal():
            raise unreadable(key)
        return int(inverted(int(digits)))

    def _broken(self, seq: int, found: str, expected: str) -> IntegrityError:
        return IntegrityError(
            f"Entry {seq} of the log {self._prefix!r} was changed: its SHA-256 is {found!r}.",
            f"Entry {seq + 1} names {expected!r}.",
            "Restore it from a backup of the store.",
        )
