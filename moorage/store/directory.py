"""A directory as an object store: stage, fsync, `os.link`.

A hard link is the put-if-absent of a file system: it is atomic, it fails when the name is taken, and what it shows is
whole. Staged files lie in a folder of their own, so that a killed writer leaves nothing that a reader could see.
Needs hard links (ext4, xfs, btrfs, APFS, NFS; not FAT); the first write proves them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO, Final, Literal

from moorage.errors import InvalidName, NotFound, StoreUnavailable
from moorage.store.base import ObjectInfo, check_key
from moorage.store.disk import disk_errors
from moorage.store.folders import link_refused, open_folder, status_of, sync_folder, tag_of
from moorage.store.listing import objects_below
from moorage.store.staging import STAGE, PublishedFile, StagedFile, prove_hard_links, sweep_stage

_CHUNK_BYTES: Final = 1 << 20
# Each lost try means that a delete pruned the folder in the moment between making it and linking into it.
_LINK_TRIES: Final = 1000
_NOT_PRUNED: Final = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY})


class DirectoryStore:
    """The object store in the directory `root`, which the first write makes when it is missing, for its owner only.

    Holds no open files: it may be pickled, and used from many threads and after a fork. All verbs refuse a symbolic
    link below the root with InvalidName.
    """

    # Each write mostly waits for its fsync; hashing a file occupies a core.
    parallel = 8
    lists_whole_folders: Literal[True] = True

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self._is_proven = False

    def __repr__(self) -> str:
        return f"DirectoryStore({self.root!r})"

    @property
    def url(self) -> str:
        return self.root.as_uri()

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        parts = _parts(key)
        doing = f"Object {key!r} was not written"
        with disk_errors(doing, self.root):
            self._prepare()
            staged = StagedFile(self.root)
        try:
            # Only our own half is translated: when the caller's stream fails, that is not the store's fault.
            for chunk in _chunks(body):
                with disk_errors(doing, self.root):
                    staged.write(chunk)
            with disk_errors(doing, self.root):
                staged.sync()
                return self._link(staged, key, parts)
        finally:
            staged.discard()

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        if start < 0 or (length is not None and length < 0):
            raise ValueError(f"start and length count bytes from 0, not {start} and {length}")
        parts = _parts(key)
        with disk_errors(f"Object {key!r} was not read", self.root):
            try:
                with open_folder(self.root, parts[:-1]) as folder:
                    return _read(folder, parts[-1], start=start, length=length)
            except (FileNotFoundError, NotADirectoryError):
                raise self._not_found(key) from None

    def head(self, key: str) -> ObjectInfo | None:
        parts = _parts(key)
        with disk_errors(f"Object {key!r} was not looked up", self.root):
            try:
                with open_folder(self.root, parts[:-1]) as folder:
                    status = status_of(folder, parts[-1])
            except (FileNotFoundError, NotADirectoryError):
                return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return ObjectInfo(key, status.st_size, status.st_mtime, tag_of(status))

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        folder, slash, start = prefix.rpartition("/")
        parts = tuple(check_key(folder).split("/")) if slash else ()
        return islice(self._listed(parts, start), limit)

    def delete(self, key: str) -> None:
        parts = _parts(key)
        with disk_errors(f"Object {key!r} was not deleted", self.root), suppress(FileNotFoundError, NotADirectoryError):
            with open_folder(self.root, parts[:-1]) as folder:
                if not stat.S_ISREG(status_of(folder, parts[-1]).st_mode):
                    return
                os.unlink(parts[-1], dir_fd=folder)
            self._prune(parts[:-1])

    def copy_if_absent(self, source: str, key: str, *, tag: str = "", is_put_by_hand: bool = False) -> bool:
        """By a hard link: the two are one file from then on, which nothing here ever changes.

        What was put there by hand is written once more instead, as its owner may open it and change both.
        """
        origin, parts = _parts(source), _parts(key)
        if is_put_by_hand:
            return self._write_once_more(source, key, tag=tag)
        with disk_errors(f"Object {source!r} was not copied to {key!r}", self.root):
            try:
                self._prepare()
                with open_folder(self.root, origin[:-1]) as folder:
                    if tag and tag_of(status_of(folder, origin[-1])) != tag:
                        raise self._not_found(source)
                    return self._link(PublishedFile(folder, origin[-1]), key, parts)
            except (FileNotFoundError, NotADirectoryError):
                raise self._not_found(source) from None

    def _write_once_more(self, source: str, key: str, *, tag: str) -> bool:
        origin = _parts(source)
        with disk_errors(f"Object {source!r} was not copied to {key!r}", self.root):
            try:
                with open_folder(self.root, origin[:-1]) as folder:
                    file = _open_object(folder, origin[-1])
            except (FileNotFoundError, NotADirectoryError):
                raise self._not_found(source) from None
            with open(file, "rb") as content:
                if tag and tag_of(os.fstat(content.fileno())) != tag:
                    raise self._not_found(source)
                return self.put_if_absent(key, content)

    def is_content_of(self, info: ObjectInfo, path: Path) -> bool:
        with path.open("rb") as file:
            for start in count(0, _CHUNK_BYTES):
                ours = file.read(_CHUNK_BYTES)
                if ours != self.get(info.key, start=start, length=_CHUNK_BYTES):
                    return False
                if not ours:
                    return True
        raise AssertionError("unreachable: the file ends")

    def _not_found(self, key: str) -> NotFound:
        return NotFound(f"There is no object {key!r} in the store {self.url}.")

    def _prepare(self) -> None:
        if self._is_proven:
            return
        missing = [place for place in (self.root, *self.root.parents) if not place.exists()]
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for made in missing:
            sync_folder(made.parent)
        with open_folder(self.root, (STAGE,), create=True) as stage:
            prove_hard_links(stage, self.root)
            sweep_stage(stage)
        self._is_proven = True

    def _link(self, file: StagedFile | PublishedFile, key: str, parts: tuple[str, ...]) -> bool:
        for _ in range(_LINK_TRIES):
            try:
                with open_folder(self.root, parts[:-1], create=True) as folder:
                    return _link_into(folder, file, key)
            except NotADirectoryError:
                raise _nested(key) from None
            except FileNotFoundError:
                if isinstance(file, PublishedFile) and file.is_gone():
                    raise
        raise StoreUnavailable(
            f"Object {key!r} was not written: its folder or its staged file vanished {_LINK_TRIES} times in a row.",
            "",
            f"See who removes files below {self.root}, then do it again.",
        )

    def _listed(self, parts: tuple[str, ...], start: str) -> Iterator[ObjectInfo]:
        with disk_errors(f"Objects {'/'.join((*parts, start))!r}… were not listed", self.root):
            yield from objects_below(self.root, parts, start=start)

    def _prune(self, parts: tuple[str, ...]) -> None:
        for depth in range(len(parts), 0, -1):
            with open_folder(self.root, parts[: depth - 1]) as outer:
                try:
                    os.rmdir(parts[depth - 1], dir_fd=outer)
                except OSError as error:
                    if error.errno in _NOT_PRUNED:
                        return
                    raise


def _parts(key: str) -> tuple[str, ...]:
    parts = tuple(check_key(key).split("/"))
    # casefold: on macOS another spelling is the same folder
    if parts[0].casefold() == STAGE:
        raise InvalidName(f"Key {key!r} cannot be stored.", f"{STAGE!r} is where the store stages what it writes.")
    return parts


def _chunks(body: bytes | BinaryIO) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    while chunk := body.read(_CHUNK_BYTES):
        yield chunk


def _link_into(folder: int, file: StagedFile | PublishedFile, key: str) -> bool:
    name = key.rpartition("/")[2]
    try:
        file.link(folder, name)
        is_new = True
    except FileExistsError:
        if not stat.S_ISREG(status_of(folder, name).st_mode):
            raise _nested(key) from None
        is_new = False
    # For the loser too: who is told that the key exists builds on it, so it must outlast a power cut as well.
    os.fsync(folder)
    return is_new


def _nested(key: str) -> InvalidName:
    return InvalidName(
        f"Key {key!r} cannot be stored: another key is a folder of it, or it is a folder of another key.",
        "With 'x' there is no 'x/y'.",
    )


def _read(folder: int, name: str, *, start: int, length: int | None) -> bytes:
    with open(_open_object(folder, name), "rb") as stream:
        stream.seek(start)
        return stream.read(-1 if length is None else length)


def _open_object(folder: int, name: str) -> int:
    try:
        # O_NONBLOCK: a named pipe that somebody laid there must not hold us up
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise link_refused(name) from None
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise FileNotFoundError(name)
    return file
