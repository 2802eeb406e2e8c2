"""Files into the store and out of it, each with the SHA-256 of what was really sent or received.

Many at once, and large ones in pieces; what is in memory is bounded, whatever their number and size.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from moorage.errors import IntegrityError, NotFound, ObjectMissing
from moorage.store.base import CopiesObjects, ObjectStore
from moorage.store.disk import disk_errors
from moorage.store.hashing import Fingerprint, HashingReader
from moorage.store.progress import UNWATCHED, Progress

PIECE_BYTES: Final = 8 << 20
# What a thread has given back, its part of the heap keeps: hence few of them for what is large.
PIECES_AT_ONCE: Final = 6
# What was received and is not written and hashed yet, or read and not sent yet.
MEMORY_BYTES: Final = 48 << 20
# What an object counts at least: any number of empty ones is not to be under way at once.
_LEAST_BYTES: Final = 1 << 16
_MEND: Final = "Restore it from a backup of the store, or publish the files again as a new version."


def send_file(store: ObjectStore, key: str, path: Path, *, progress: Progress = UNWATCHED) -> Fingerprint:
    """Writes the file under `key` and returns the fingerprint of what was sent; the same content there before will do.

    Raises:
        IntegrityError: the key holds other content, which is left as it is.
        OSError: the file cannot be read; the key is left absent.
    """
    with path.open("rb", buffering=0) as file:
        reader = HashingReader(file, progress.advance)
        is_new = store.put_if_absent(key, cast("Any", reader))
        # A store may answer "exists" before it has read everything.
        reader.exhaust()
    if not is_new and not _holds(store, key, path):
        there = fingerprint_in_store(store, key)
        if there != reader.fingerprint:
            raise differs(key, found=there, expected=reader.fingerprint)
    return reader.fingerprint


def send_contents(
    store: ObjectStore,
    contents: Iterable[tuple[str, bytes]],
    *,
    progress: Progress = UNWATCHED,
    threads: int | None = None,
) -> Generator[Fingerprint]:
    """Writes what fits into memory, each under its key, and gives the fingerprint of each, in order.

    One thread reads, and many hash and send: with files of a few kilobytes, threads that each do all of it spend most
    of their time waiting for each other. The same content there before will do.

    Args:
        contents: taken as memory allows, by the caller's thread.
        threads: how many requests at once; as many as keep the store busy by default.

    Raises:
        IntegrityError: a key holds other content, which is left as it is.
    """

    def send(key: str, content: bytes) -> Fingerprint:
        sent = Fingerprint(len(content), hashlib.sha256(content).hexdigest())
        if not store.put_if_absent(key, content) and (there := fingerprint_in_store(store, key)) != sent:
            raise differs(key, found=there, expected=sent)
        progress.advance(sent.size)
        return sent

    at_once = threads or store.parallel
    if at_once == 1:
        yield from (send(key, content) for key, content in contents)
        return
    under_way: deque[tuple[int, Future[Fingerprint]]] = deque()
    held = 0
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for key, content in contents:
                size = max(len(content), _LEAST_BYTES)
                under_way.append((size, pool.submit(send, key, content)))
                held += size
                while held > MEMORY_BYTES:
                    size, answer = under_way.popleft()
                    held -= size
                    yield answer.result()
            while under_way:
                yield under_way.popleft()[1].result()
        finally:
            for _, answer in under_way:
                answer.cancel()


@dataclass(frozen=True)
class Wanted:
    """An object to be read: what it should be, and where it is to lie on this machine; None: nowhere."""

    key: str
    expected: Fingerprint
    path: Path | None = None


def read_objects(
    store: ObjectStore, wanted: Iterable[Wanted], *, progress: Progress = UNWATCHED, threads: int | None = None
) -> Generator[tuple[Wanted, Fingerprint | None]]:
    """Reads the objects and says of each, in order, what was found; None: there is none.

    Files are written where they are wanted whatever was found, so write to a place that nobody reads yet. Of a small
    object that is longer than expected one byte more is read, which tells; of a large one nothing.

    Args:
        threads: how many requests at once; as many as keep the store busy by default.

    Raises:
        StoreRefused: this machine's disk is full, read-only, or not ours to write.
    """
    files: set[int] = set()
    try:
        # Its threads end before the files are closed that they write to.
        at_once = threads or store.parallel
        with ThreadPoolExecutor(at_once) as pool, ThreadPoolExecutor(min(at_once, PIECES_AT_ONCE)) as pieces:
            yield from _Reading(store, pool, pieces, files, progress).run(wanted)
    finally:
        for file in files:
            os.close(file)


def download(
    store: ObjectStore, wanted: Iterable[Wanted], *, progress: Progress = UNWATCHED, threads: int | None = None
) -> None:
    """Writes the objects to their places; see `read_objects`.

    Raises:
        IntegrityError: an object is missing, or is not what it should be; both fingerprints are named.
    """
    with closing(read_objects(store, wanted, progress=progress, threads=threads)) as read:
        for item, found in read:
            if found is None:
                raise missing(item.key)
            if found.size > item.expected.size:
                # Not all of it was read.
                found = fingerprint_in_store(store, item.key)
            if found != item.expected:
                raise differs(item.key, found=found, expected=item.expected)


def fingerprint_in_store(store: ObjectStore, key: str) -> Fingerprint:
    """The fingerprint of an object, which is read for it; raises IntegrityError when there is none."""
    info = store.head(key)
    expected = Fingerprint(0 if info is None else info.size, "")
    ((_, found),) = read_objects(store, [Wanted(key, expected)])
    if info is None or found is None:
        raise missing(key)
    return found


def missing(key: str) -> ObjectMissing:
    """The refusal of an object that is not there."""
    return ObjectMissing(f"Object {key!r} is missing.", "What a manifest lists stays in the store.", _MEND)


def differs(key: str, *, found: Fingerprint, expected: Fingerprint) -> IntegrityError:
    """The refusal of an object that is not what was published."""
    return IntegrityError(
        f"Object {key!r} is not what was published: it has {found}.", f"Expected were {expected}.", _MEND
    )


@dataclass
class _Step:
    """A request that is under way: a whole object, or a piece of one."""

    item: Wanted
    answer: Future[Any]
    size: int
    is_last: bool = True
    whole: _Whole | None = None


@dataclass
class _Whole:
    """A large object as it comes together: written in any order, hashed in order."""

    file: int | None
    digest: Any = field(default_factory=hashlib.sha256)
    size: int = 0


class _Reading:
    """Asks for objects and pieces in order and takes the answers in order, as many at once as memory allows."""

    def __init__(
        self,
        store: ObjectStore,
        pool: ThreadPoolExecutor,
        pieces: ThreadPoolExecutor,
        files: set[int],
        progress: Progress,
    ) -> None:
        self._store = store
        self._pool = pool
        self._pieces = pieces
        self._files = files
        self._progress = progress

    def run(self, wanted: Iterable[Wanted]) -> Iterator[tuple[Wanted, Fingerprint | None]]:
        under_way: deque[_Step] = deque()
        held = 0
        try:
            for step in self._steps(wanted):
                under_way.append(step)
                held += step.size
                while held > MEMORY_BYTES:
                    held -= under_way[0].size
                    yield from self._take(under_way.popleft())
            while under_way:
                yield from self._take(under_way.popleft())
        finally:
            for step in under_way:
                step.answer.cancel()

    def _steps(self, wanted: Iterable[Wanted]) -> Iterator[_Step]:
        for item in wanted:
            size = item.expected.size
            if size <= PIECE_BYTES:
                yield _Step(item, self._pool.submit(self._fetch, item), max(size, _LEAST_BYTES))
                continue
            whole = _Whole(None if item.path is None else self._open(item.path, size))
            for start in range(0, size, PIECE_BYTES):
                length = min(PIECE_BYTES, size - start)
                answer = self._pieces.submit(self._fetch_piece, item, whole.file, start, length)
                yield _Step(item, answer, length, start + length == size, whole)

    def _take(self, step: _Step) -> Iterator[tuple[Wanted, Fingerprint | None]]:
        if step.whole is None:
            found = step.answer.result()
            self._progress.advance(step.size if found is None else found.size)
            yield step.item, found
            return
        piece: bytes = step.answer.result()
        step.whole.digest.update(piece)
        step.whole.size += len(piece)
        self._progress.advance(len(piece))
        if step.is_last:
            self._close(step.whole.file)
            there = Fingerprint(step.whole.size, step.whole.digest.hexdigest())
            yield step.item, there if there.size or self._store.head(step.item.key) else None

    def _close(self, file: int | None) -> None:
        if file is not None:
            self._files.remove(file)
            os.close(file)

    def _fetch(self, item: Wanted) -> Fingerprint | None:
        try:
            # One byte more than there should be, to notice that there are more.
            content = self._store.get(item.key, length=item.expected.size + 1 if item.expected.size else None)
        except NotFound:
            return None
        if item.path is not None:
            with disk_errors(f"Object {item.key!r} was not downloaded", item.path.parent):
                item.path.write_bytes(content)
        return Fingerprint(len(content), hashlib.sha256(content).hexdigest())

    def _fetch_piece(self, item: Wanted, file: int | None, start: int, length: int) -> bytes:
        try:
            piece = self._store.get(item.key, start=start, length=length)
        except NotFound:
            return b""
        if file is not None and item.path is not None:
            with disk_errors(f"Object {item.key!r} was not downloaded", item.path.parent):
                _write_at(file, piece, start)
        return piece

    def _open(self, path: Path, size: int) -> int:
        with disk_errors(f"{path.name!r} was not downloaded", path.parent):
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
            self._files.add(file)
            os.truncate(file, size)
        return file


def _holds(store: ObjectStore, key: str, path: Path) -> bool:
    """Whether the object is the file, as far as the store can tell without sending it."""
    info = store.head(key)
    if info is None or not isinstance(store, CopiesObjects) or info.size != path.stat().st_size:
        return False
    return store.is_content_of(info, path)


def _write_at(file: int, content: bytes, start: int) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(file, rest, start)
        rest, start = rest[written:], start + written
