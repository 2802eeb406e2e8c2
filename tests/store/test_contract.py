"""What every store must do. It runs over all of them: see `FACTORIES` in conftest."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.errors import InvalidName, NotFound
from moorage.store import open_store
from moorage.store.base import ObjectStore, check_key
from moorage.store.directory import DirectoryStore

# Writes a large body under each key it is told, and says whether it won.
RACER = """
import sys
from moorage.store import open_store
store, body = open_store(sys.argv[1]), sys.argv[2].encode() * 100_000
for line in sys.stdin:
    print(store.put_if_absent(line.strip(), body), flush=True)
"""

PARTS = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
KEYS = st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)


@contextmanager
def racers(store: ObjectStore, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", RACER, store.url, str(number)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for number in range(count)
        ]


def tell(racer: subprocess.Popen[str], key: str) -> None:
    assert racer.stdin is not None
    racer.stdin.write(f"{key}\n")
    racer.stdin.flush()


def answer(racer: subprocess.Popen[str]) -> bool:
    assert racer.stdout is not None
    return racer.stdout.readline() == "True\n"


def keys_of(store: ObjectStore, prefix: str, limit: int | None = None) -> list[str]:
    return [found.key for found in store.list(prefix, limit=limit)]


def test_an_object_reads_back_as_it_was_put(store: ObjectStore) -> None:
    assert store.put_if_absent("a/b", b"one")
    assert store.get("a/b") == b"one"


def test_a_second_put_changes_nothing_and_says_so(store: ObjectStore) -> None:
    store.put_if_absent("a", b"one")
    assert not store.put_if_absent("a", b"two")
    assert store.get("a") == b"one"


def test_a_stream_is_read_to_its_end(store: ObjectStore) -> None:
    body = bytes(range(256)) * 20_000
    assert store.put_if_absent("big", io.BytesIO(body))
    assert store.get("big") == body


def test_an_empty_object_exists(store: ObjectStore) -> None:
    store.put_if_absent("empty", b"")
    found = store.head("empty")
    assert found is not None
    assert (store.get("empty"), found.size) == (b"", 0)


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, 3, b"012"), (4, 3, b"456"), (8, 5, b"89"), (10, 1, b""), (99, 1, b""), (3, None, b"3456789"), (5, 0, b"")],
)
def test_a_range_ends_where_the_object_ends(
    store: ObjectStore, start: int, length: int | None, expected: bytes
) -> None:
    store.put_if_absent("digits", b"0123456789")
    assert store.get("digits", start=start, length=length) == expected


def test_what_is_not_there_is_named(store: ObjectStore) -> None:
    with pytest.raises(NotFound, match="no object 'a/b'"):
        store.get("a/b")
    assert store.head("a/b") is None


def test_a_folder_of_keys_is_no_object(store: ObjectStore) -> None:
    store.put_if_absent("a/b/c", b"")
    assert store.head("a/b") is None
    with pytest.raises(NotFound, match="no object 'a/b'"):
        store.get("a/b")


def test_head_tells_the_size(store: ObjectStore) -> None:
    store.put_if_absent("a", b"12345")
    found = store.head("a")
    assert found is not None
    assert (found.key, found.size, found.modified > 0) == ("a", 5, True)


def test_a_list_goes_by_the_bytes_of_the_keys(store: ObjectStore) -> None:
    keys = ["x-y", "x.y", "x/a", "x/b/c", "x0", "é", "z", "Z", "\U0001f6a2", "\uffff"]
    for key in keys:
        store.put_if_absent(key, b"")
    assert keys_of(store, "") == sorted(keys, key=str.encode)


def test_a_prefix_is_a_plain_string(store: ObjectStore) -> None:
    for key in ("a/1/x", "a/10", "a/2", "b/1"):
        store.put_if_absent(key, b"")
    assert keys_of(store, "a/1") == ["a/1/x", "a/10"]
    assert keys_of(store, "a/1/") == ["a/1/x"]
    assert keys_of(store, "c") == keys_of(store, "a/2/") == keys_of(store, "a/2/x/y") == []


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 9])
def test_a_short_list_is_the_beginning_of_the_long_one(store: ObjectStore, limit: int) -> None:
    for key in ("c", "a/b", "a/a/a", "b-", "b/x"):
        store.put_if_absent(key, b"")
    assert keys_of(store, "", limit=limit) == keys_of(store, "")[:limit]


def test_a_list_of_nothing_is_empty(store: ObjectStore) -> None:
    assert keys_of(store, "") == keys_of(store, "a/") == []


def test_a_deleted_object_is_gone_and_may_be_deleted_again(store: ObjectStore) -> None:
    store.put_if_absent("a/b/c", b"one")
    store.delete("a/b/c")
    store.delete("a/b/c")
    assert (store.head("a/b/c"), keys_of(store, "")) == (None, [])
    assert store.put_if_absent("a/b/c", b"two")


def test_deleting_leaves_the_neighbours(store: ObjectStore) -> None:
    for key in ("a/b", "a/c/d"):
        store.put_if_absent(key, b"")
    store.delete("a/b")
    store.delete("a/c")
    assert keys_of(store, "") == ["a/c/d"]


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a\0b", "x" * 256, "a/" * 600 + "a", "\udcff"]
)
def test_a_key_that_cannot_be_stored_is_refused_by_every_verb(store: ObjectStore, key: str) -> None:
    for verb in (lambda: store.put_if_absent(key, b""), lambda: store.get(key), lambda: store.head(key)):
        with pytest.raises(InvalidName, match="cannot be stored"):
            verb()
    with pytest.raises(InvalidName, match="cannot be stored"):
        store.delete(key)


def test_a_prefix_cannot_leave_the_root(store: ObjectStore) -> None:
    for prefix in ("../", "a/../../b", "/etc/"):
        with pytest.raises(InvalidName, match="cannot be stored"):
            store.list(prefix)


def test_a_failing_stream_leaves_nothing(store: ObjectStore) -> None:
    class FailingStream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError("the disk of the caller broke")
            return super().read(min(size or 0, 10))

    with pytest.raises(OSError, match="the disk of the caller broke"):
        store.put_if_absent("a", FailingStream(b"x" * 100))
    assert (store.head("a"), keys_of(store, "")) == (None, [])


def test_a_store_opens_again_by_its_url_and_from_a_pickle(store: ObjectStore) -> None:
    store.put_if_absent("a", b"one")
    assert open_store(store.url).get("a") == b"one"
    assert pickle.loads(pickle.dumps(store)).get("a") == b"one"  # noqa: S301 - our own pickle


def test_of_eight_processes_exactly_one_wins_each_key_and_what_it_wrote_is_whole(store: ObjectStore) -> None:
    # SeaweedFS makes the losers of a race wait in steps of a second; test_s3 has a race of 32.
    rounds = 1 if store.url.startswith("s3://") else 100
    with racers(store, 8) as processes:
        for number in range(rounds):
            key = f"race/{number}"
            for racer in processes:
                tell(racer, key)
            won = [answer(racer) for racer in processes]
            assert won.count(True) == 1
            assert store.get(key) == str(won.index(True)).encode() * 100_000


def test_a_reader_sees_all_of_an_object_or_nothing(store: ObjectStore) -> None:
    sizes: set[int | None] = set()
    with racers(store, 1) as (writer,):
        for number in range(20):
            tell(writer, f"torn/{number}")
            while (found := store.head(f"torn/{number}")) is None:
                pass
            sizes |= {found.size, len(store.get(f"torn/{number}"))}
            answer(writer)
    assert sizes == {100_000}


def test_puts_and_deletes_in_one_folder_do_not_disturb_each_other(store: ObjectStore) -> None:
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for _ in range(100):
                assert store.put_if_absent(f"a/b/{name}", b"x")
                assert store.get(f"a/b/{name}") == b"x"
                store.delete(f"a/b/{name}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "pqrs"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, keys_of(store, "")) == ([], [])


@settings(max_examples=60, deadline=None)
@given(keys=st.sets(KEYS, min_size=1, max_size=8))
def test_every_key_that_is_accepted_reads_back_and_is_listed_in_order(keys: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = DirectoryStore(Path(folder))
        stored = {}
        for key in sorted(keys):
            try:
                store.put_if_absent(check_key(key), key.encode())
                stored[key] = key.encode()
            except InvalidName:
                continue
        assert keys_of(store, "") == sorted(stored, key=str.encode)
        assert {key: store.get(key) for key in stored} == stored
