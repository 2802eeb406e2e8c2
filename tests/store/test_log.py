from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import IntegrityError, NotFound
from moorage.store.base import ObjectInfo, ObjectStore
from moorage.store.directory import DirectoryStore
from moorage.store.log import LogEntry, NumberedLog, inverted

APPENDER = """
import sys
from moorage.store import open_store
from moorage.store.log import NumberedLog
log = NumberedLog(open_store(sys.argv[1]), "log/")
for number in range(int(sys.argv[3])):
    print(log.append(lambda newest: {"number": number}, actor=sys.argv[2]).seq)
"""


class WrappedStore:
    """A store that passes every verb on; a test overrides what it simulates."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @property
    def url(self) -> str:
        return self._store.url

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        return self._store.put_if_absent(key, body)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        return self._store.get(key, start=start, length=length)

    def head(self, key: str) -> ObjectInfo | None:
        return self._store.head(key)

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        return self._store.list(prefix, limit=limit)

    def delete(self, key: str) -> None:
        self._store.delete(key)


class LostAnswers(WrappedStore):
    """Repeats each write, as a client does whose first answer was lost: the second hears that the key exists."""

    parallel = 1

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        self._store.put_if_absent(key, body)
        return self._store.put_if_absent(key, body)


class QuickRival(WrappedStore):
    """Another writer is first, once."""

    rival_wrote = False

    parallel = 1

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if not self.rival_wrote:
            self.rival_wrote = True
            append(self._store, {"by": "rival"})
        return self._store.put_if_absent(key, body)


def append(store: ObjectStore, body: dict[str, Any]) -> LogEntry | None:
    return NumberedLog(store, "log/").append(lambda _: body, actor="ann")


def file_of(root: Path, seq: int) -> Path:
    return root / "log" / f"{inverted(seq)}.json"


@given(st.integers(0, 10**10 - 1), st.integers(0, 10**10 - 1))
def test_turned_round_the_larger_number_sorts_first(one: int, other: int) -> None:
    assert int(inverted(int(inverted(one)))) == one
    assert (inverted(one) < inverted(other)) == (one > other)


def test_a_log_begins_empty_and_counts_from_one(store: ObjectStore) -> None:
    log = NumberedLog(store, "log/")
    assert (log.newest(), log.entries(), log.entry(1)) == (None, [], None)
    first, second = append(store, {"n": 1}), append(store, {"n": 2})
    assert log.newest() == second
    assert log.entries() == [first, second]
    assert (log.entry(1), log.entry(2), log.entry(3), log.entry(0)) == (first, second, None, None)


def test_the_newest_of_twelve_is_the_twelfth(store: ObjectStore) -> None:
    for number in range(12):
        append(store, {"n": number})
    newest = NumberedLog(store, "log/").newest()
    assert newest is not None
    assert (newest.seq, newest.body) == (12, {"n": 11})


def test_an_entry_bears_actor_and_time_in_utc(store: ObjectStore) -> None:
    at = datetime(2025, 3, 9, 10, 7, 6, 5999, tzinfo=timezone(timedelta(hours=2)))
    entry = NumberedLog(store, "log/", clock=lambda: at).append(lambda _: {}, actor="ann")
    assert entry is not None
    assert (entry.actor, entry.time) == ("ann", "2025-03-09T08:07:06.005Z")
    assert at.astimezone(UTC).hour == 8


def test_nothing_is_written_when_there_is_nothing_to_write(store: ObjectStore) -> None:
    assert NumberedLog(store, "log/").append(lambda _: None, actor="ann") is None
    assert list(store.list("")) == []


def test_what_the_decision_raises_is_passed_on(store: ObjectStore) -> None:
    def decide(newest: LogEntry | None) -> dict[str, Any]:
        raise NotFound("no such model")

    with pytest.raises(NotFound, match="no such model"):
        NumberedLog(store, "log/").append(decide, actor="ann")
    assert list(store.list("")) == []


def test_a_write_whose_answer_was_lost_is_known_as_our_own(store: ObjectStore) -> None:
    entry = append(LostAnswers(store), {"n": 1})
    assert entry == NumberedLog(store, "log/").newest()
    assert len(NumberedLog(store, "log/").entries()) == 1


def test_who_was_second_decides_anew_on_what_the_first_wrote(store: ObjectStore) -> None:
    seen: list[Any] = []

    def decide(newest: LogEntry | None) -> dict[str, Any]:
        seen.append(newest.body if newest else None)
        return {"by": "us"}

    entry = NumberedLog(QuickRival(store), "log/").append(decide, actor="ann")
    assert entry is not None
    assert (entry.seq, seen) == (2, [None, {"by": "rival"}])


def test_racing_threads_leave_no_gap_and_each_is_answered_once(store: ObjectStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda number: append(store, {"n": number}), range(60)))
    assert sorted(entry.seq for entry in entries if entry) == list(range(1, 61))
    assert sorted(entry.body["n"] for entry in NumberedLog(store, "log/").entries()) == list(range(60))


def test_racing_processes_leave_no_gap_and_each_is_answered_once(store: ObjectStore) -> None:
    # SeaweedFS makes the losers of a race wait in steps of a second.
    count = 5 if store.url.startswith("s3://") else 25
    command = [sys.executable, "-c", APPENDER, store.url]
    writers = {
        name: subprocess.Popen([*command, name, str(count)], stdout=subprocess.PIPE, text=True) for name in "abcd"
    }
    told = {name: [int(line) for line in writer.communicate()[0].split()] for name, writer in writers.items()}
    assert sorted(chain.from_iterable(told.values())) == list(range(1, 4 * count + 1))
    entries = NumberedLog(store, "log/").entries()
    assert {name: [entry.seq for entry in entries if entry.actor == name] for name in "abcd"} == told


def test_a_changed_entry_is_named(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for number in range(3):
        append(store, {"n": number})
    changed = file_of(tmp_path, 2).read_bytes().replace(b'"n":1', b'"n":7')
    file_of(tmp_path, 2).write_bytes(changed)
    with pytest.raises(IntegrityError, match=r"Entry 2 of the log 'log/' was changed.*Entry 3 names"):
        NumberedLog(store, "log/").entries()


def test_a_removed_entry_is_named(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for number in range(3):
        append(store, {"n": number})
    file_of(tmp_path, 1).unlink()
    with pytest.raises(IntegrityError, match="Entry 1 of the log 'log/' is missing"):
        NumberedLog(store, "log/").entries()


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"seq":2,"body":{}}', b'{"seq":1,"body":[]}'])
def test_an_entry_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    store = DirectoryStore(tmp_path)
    store.put_if_absent(f"log/{inverted(1)}.json", content)
    with pytest.raises(IntegrityError, match=r"log/9999999998.json' is not a record"):
        NumberedLog(store, "log/").newest()


def test_a_stray_object_in_the_log_is_named(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put_if_absent("log/note.txt", b"hello")
    with pytest.raises(IntegrityError, match=r"'log/note.txt' is not a record"):
        NumberedLog(store, "log/").newest()
