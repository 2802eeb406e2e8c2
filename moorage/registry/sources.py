"""Where the files of a new version come from: this machine, or a place in the store."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.errors import CallerError, InvalidName, NotFound
from moorage.registry.access import Access
from moorage.registry.keys import Keys
from moorage.registry.model_files import check_names, find_model_files, unreadable_file
from moorage.registry.record import FileEntry
from moorage.registry.versions import get_version
from moorage.store.base import ObjectInfo, check_key
from moorage.store.hashing import Fingerprint, fingerprint_of, read_fully
from moorage.store.transfer import fingerprint_in_store

# The folder of a version stands for its files.
_VERSION: Final = re.compile(r"Projects/(\w+)/Models/(\w+)/([1-9][0-9]*)(?:/Files(?:/(.+))?)?", re.ASCII)
_OURS: Final = re.compile(r"Projects(/[^/]+(/(Models|Registry)(/.*)?)?)?")


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine.

    Attributes:
        path: in the model.
        size: bytes, when it was found.
        stamp: what changes when the file does: its inode, and its time in nanoseconds.
    """

    path: str
    size: int
    source: Path
    stamp: tuple[int, int]

    def fingerprint(self) -> Fingerprint:
        """What it holds now; raises CallerError when it cannot be read, or is not what was found any more."""
        try:
            found = fingerprint_of(self.source)
        except OSError as error:
            raise unreadable_file(self.source, error) from error
        self.check_unchanged(found.size)
        return found

    def content(self) -> bytes:
        """All that it holds; raises as `fingerprint` does."""
        try:
            with self.source.open("rb", buffering=0) as file:
                # A byte more than was found tells that it grew, before all of it is read.
                read = read_fully(file, self.size + 1)
        except OSError as error:
            self.check_unchanged(self.size)
            raise unreadable_file(self.source, error) from error
        self.check_unchanged(len(read))
        return read

    def check_unchanged(self, read: int) -> None:
        """Raises CallerError unless `read` bytes are all that there are, and the file is still what was found."""
        try:
            unchanged = read == self.size and _stamp_of(self.source.stat()) == self.stamp
        except OSError:
            unchanged = False
        if not unchanged:
            raise _changed(str(self.source))


@dataclass(frozen=True)
class VersionFile:
    """A file of a model version in the store, which never changes; `tag` is what the store says of it, may be empty."""

    path: str
    key: str
    fingerprint: Fingerprint
    tag: str = ""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.fingerprint.size


@dataclass(frozen=True)
class LooseFile:
    """An object that somebody put into the store by hand; `info` is what it was when it was found."""

    path: str
    info: ObjectInfo

    @property
    def key(self) -> str:
        """Where it lies."""
        return self.info.key

    @property
    def size(self) -> int:
        """Bytes, when it was found."""
        return self.info.size

    def check_unchanged(self, access: Access) -> None:
        """Raises CallerError unless the object is still what was found."""
        now = access.store.head(self.key)
        # Where a store says what the content is, a list may tell the time more precisely than a look at one object.
        if now is None or (now.size, now.tag or now.modified) != (self.size, self.info.tag or self.info.modified):
            raise _changed(self.key)


SourceFile = LocalFile | VersionFile | LooseFile


class Fingerprints:
    """What source files hold: each is read for it once, however often it is asked for."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._known: dict[str, Fingerprint] = {}

    def of(self, file: SourceFile) -> Fingerprint:
        """The file's fingerprint; raises what reading it does."""
        if isinstance(file, VersionFile):
            return file.fingerprint
        if file.path not in self._known:
            self._known[file.path] = (
                file.fingerprint()
                if isinstance(file, LocalFile)
                else fingerprint_in_store(self._access.store, file.key)
            )
        return self._known[file.path]


def find_sources(access: Access, path: str) -> tuple[SourceFile, ...]:
    """The files at `path`, sorted by their paths in the model: on this machine, else in the store.

    Raises:
        NotFound: there is nothing there, in neither; or the version that it names does not exist, or was deleted.
        CallerError, InvalidName: as `find_model_files`; or it is a place in the store that holds no one model.
    """
    if not os.path.lexists(path) and (stored := _stored_files(access, path)):
        return stored
    try:
        found = find_model_files(Path(path))
    except NotFound as error:
        if Path(path).exists():
            raise
        raise NotFound(
            f"There is no model at {path!r}, neither on this machine nor in the store {access.store.url}.",
            "A folder, a file, or a place in the store like 'Projects/demo/Models/iris/3/Files' was expected.",
            "Check the path.",
        ) from error
    return tuple(_local_file(name, source) for name, source in found)


def _local_file(name: str, source: Path) -> LocalFile:
    try:
        status = source.stat()
    except OSError as error:
        raise unreadable_file(source, error) from error
    return LocalFile(name, status.st_size, source, _stamp_of(status))


def _stamp_of(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_mtime_ns


def _stored_files(access: Access, path: str) -> tuple[SourceFile, ...]:
    key = path.removeprefix(f"{access.store.url}/").strip("/")
    if key.partition("/")[0] != "Projects":
        return ()
    check_key(key)
    if match := _VERSION.fullmatch(key):
        theirs = Access(access.store, Keys(match[1]), access.clock, access.manner)
        return _version_files(theirs, match[2], int(match[3]), match[4] or "")
    if _OURS.fullmatch(key):
        raise InvalidName(
            f"{key!r} holds more than one model, or none.",
            "A version's files lie at a place like 'Projects/demo/Models/iris/3/Files'.",
            "Name one, or a folder of your own, such as 'Projects/demo/Resources/trained'.",
        )
    return _loose_files(access, key)


def _version_files(access: Access, name: str, version: int, inner: str) -> tuple[VersionFile, ...]:
    """The files at or below `inner` of a version, as its manifest lists them: of what was deleted some may be left."""
    model = get_version(access, name, version)
    prefix = access.keys.model_files(name, version)

    def as_source(file: FileEntry, tag: str, root: int) -> VersionFile:
        return VersionFile(file.path[root:], prefix + file.path, Fingerprint(file.size, file.sha256), tag)

    for file, tag in model.tagged:
        if file.path == inner:
            return (as_source(file, tag, file.path.rfind("/") + 1),)
    below = f"{inner}/" if inner else ""
    return tuple(as_source(file, tag, len(below)) for file, tag in model.tagged if file.path.startswith(below))


def _loose_files(access: Access, key: str) -> tuple[LooseFile, ...]:
    single = access.store.head(key)
    root = len(key) + 1 if single is None else key.rfind("/") + 1
    found = access.store.list(f"{key}/") if single is None else [single]
    files = tuple(LooseFile(item.key[root:], item) for item in found)
    check_names(key, [file.path for file in files])
    return files


def _changed(place: str) -> CallerError:
    return CallerError(
        f"The model file {place!r} changed while it was published.",
        "Nothing may write to a model while it is published.",
        "Wait until training has finished, then publish again.",
    )
