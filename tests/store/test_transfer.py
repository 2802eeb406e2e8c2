from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from moorage.errors import IntegrityError, StoreRefused
from moorage.store.base import ObjectStore
from moorage.store.hashing import Fingerprint, HashingReader, fingerprint_of
from moorage.store.transfer import (
    MEMORY_BYTES,
    PIECE_BYTES,
    Wanted,
    download,
    read_objects,
    send_contents,
    send_file,
)
from tests.checker.memory import MemoryStore
from tests.watch import Watch

SIZES = [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES + 5]


def wanted(key: str, path: Path, content: bytes = b"one") -> Wanted:
    return Wanted(key, Fingerprint(len(content), sha256(content)), path)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("size", SIZES)
def test_a_file_goes_up_and_comes_down_byte_for_byte(store: ObjectStore, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "up").write_bytes(content)
    assert send_file(store, "a/b", tmp_path / "up") == Fingerprint(size, sha256(content))
    download(store, [wanted("a/b", tmp_path / "down", content)])
    assert (tmp_path / "down").read_bytes() == content
    assert fingerprint_of(tmp_path / "down") == Fingerprint(size, sha256(content))


def test_uploading_the_same_again_will_do(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(b"one")
    assert send_file(store, "a", tmp_path / "up") == send_file(store, "a", tmp_path / "up")


def test_other_content_under_the_key_is_kept_and_both_digests_are_named(store: ObjectStore, tmp_path: Path) -> None:
    store.put_if_absent("a", b"one")
    (tmp_path / "up").write_bytes(b"two")
    with pytest.raises(IntegrityError, match=f"'a' is not what.*{sha256(b'one')}.*{sha256(b'two')}"):
        send_file(store, "a", tmp_path / "up")
    assert store.get("a") == b"one"


def test_a_file_that_is_not_there_leaves_no_object(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="up"):
        send_file(store, "a", tmp_path / "up")
    assert store.head("a") is None


@pytest.mark.parametrize("threads", [None, 1])
def test_many_contents_go_up_in_order(store: ObjectStore, threads: int | None) -> None:
    contents = [(f"a/{number}", b"%d" % number * number) for number in range(30)]
    watch = Watch()
    sent = list(send_contents(store, contents, progress=watch, threads=threads))
    assert sent == [Fingerprint(len(content), sha256(content)) for _, content in contents]
    assert [store.get(key) for key, _ in contents] == [content for _, content in contents]
    assert watch.done == sum(len(content) for _, content in contents)
    assert list(send_contents(store, contents, threads=threads)) == sent


def test_of_contents_no_more_are_asked_for_than_memory_holds(tmp_path: Path) -> None:
    taken: list[int] = []

    def contents() -> Iterator[tuple[str, bytes]]:
        for number in range(20):
            taken.append(number)
            yield f"a/{number}", bytes(MEMORY_BYTES // 4)

    with closing(send_contents(MemoryStore(), contents(), threads=4)) as sent:
        next(sent)
        assert len(taken) == 5


def test_what_lies_under_a_key_of_many_is_kept_and_both_digests_are_named(store: ObjectStore) -> None:
    store.put_if_absent("b", b"one")
    with pytest.raises(IntegrityError, match=f"'b' is not what.*{sha256(b'one')}.*{sha256(b'two')}"):
        list(send_contents(store, [("a", b"two"), ("b", b"two"), ("c", b"two")]))
    assert store.get("b") == b"one"


@pytest.mark.parametrize("content", [b"tampered", b"", b"onetwo"])
def test_a_changed_object_is_refused_and_both_digests_are_named(
    store: ObjectStore, tmp_path: Path, content: bytes
) -> None:
    store.put_if_absent("a", content)
    with pytest.raises(IntegrityError, match=f"'a' is not.*{sha256(content)}.*{sha256(b'one')}"):
        download(store, [wanted("a", tmp_path / "down")])


def test_a_missing_object_is_named(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="'a' is missing"):
        download(store, [wanted("a", tmp_path / "down")])
    assert not (tmp_path / "down").exists()


def test_a_large_object_that_was_cut_short_is_refused(store: ObjectStore, tmp_path: Path) -> None:
    content = os.urandom(PIECE_BYTES + 3)
    store.put_if_absent("a", content)
    with pytest.raises(
        IntegrityError, match=rf"'a' is not.*{len(content)} bytes.*Expected were {len(content) + 9} bytes"
    ):
        download(store, [wanted("a", tmp_path / "down", content + b"cut short")])


def test_many_objects_come_in_order_and_what_is_missing_is_told(store: ObjectStore) -> None:
    for number in range(30):
        store.put_if_absent(f"a/{number}", b"%d" % number)
    asked = [Wanted(f"a/{number}", Fingerprint(2, "")) for number in range(31)]
    found = list(read_objects(store, asked))
    assert [item for item, _ in found] == asked
    assert [there and there.sha256 for _, there in found] == [*(sha256(b"%d" % number) for number in range(30)), None]


def test_progress_counts_every_byte_once(store: ObjectStore, tmp_path: Path) -> None:
    content = os.urandom(2 * PIECE_BYTES + 5)
    (tmp_path / "up").write_bytes(content)
    up, down = Watch(), Watch()
    send_file(store, "a", tmp_path / "up", progress=up)
    download(store, [wanted("a", tmp_path / "down", content)], progress=down)
    assert (up.done, down.done) == (len(content), len(content))


def test_a_reader_that_goes_back_to_its_start_forgets_what_it_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    watch = Watch()
    with (tmp_path / "a").open("rb", buffering=0) as file:
        reader = HashingReader(file, watch.advance)
        assert (reader.read(2), reader.tell(), reader.seek(0)) == (b"on", 2, 0)
        reader.exhaust()
    assert (reader.fingerprint, watch.done) == (Fingerprint(3, sha256(b"one")), 3)


class Hoarding(MemoryStore):
    """Any number of large objects, all alike; notes how much was asked for and not taken yet."""

    parallel = 8

    def __init__(self) -> None:
        super().__init__()
        self.given = 0
        self.most = 0
        self.taken = 0
        self._lock = threading.Lock()

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        assert length is not None
        with self._lock:
            self.given += length
            self.most = max(self.most, self.given - self.taken)
        return bytes(length)

    def advance(self, size: int) -> None:
        self.taken += size

    def begin(self, total: int) -> None:
        pass


def test_what_is_in_memory_is_bounded_whatever_the_number_and_size() -> None:
    store = Hoarding()
    size = 10 * PIECE_BYTES
    items = [Wanted(f"{number}", Fingerprint(size, "")) for number in range(5)]
    assert [there for _, there in read_objects(store, items, progress=store)] == [fingerprint_of_zeros(size)] * 5
    assert store.most <= MEMORY_BYTES + PIECE_BYTES


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    store = MemoryStore()
    store.put_if_absent("a", b"one")
    (tmp_path / "down").mkdir()
    with pytest.raises(StoreRefused, match="'a' was not downloaded: is a directory"):
        download(store, [wanted("a", tmp_path / "down")])


def fingerprint_of_zeros(size: int) -> Fingerprint:
    return Fingerprint(size, sha256(bytes(size)))
