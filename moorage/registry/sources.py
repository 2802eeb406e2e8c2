"""Where the files of a new version come from: this machine, or a place in the store."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.errors import CallerError, NotFound
from moorage.registry.access import Access
from moorage.registry.keys import Keys
from moorage.registry.manifests import find_version
from moorage.registry.model_files import find_model_files, unreadable_file
from moorage.store.base import check_key
from moorage.store.hashing import Fingerprint, fingerprint_of
from moorage.store.transfer import fingerprint_in_store

_VERSION_FILES: Final = re.compile(r"Projects/(\w+)/Models/(\w+)/(\d+)/Files(?:/(.*))?")


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

    def check_unchanged(self, read: int) -> None:
        """Raises CallerError unless `read` bytes are all that there are, and the file is still what was found."""
        try:
            unchanged = read == self.size and _stamp_of(self.source.stat()) == self.stamp
        except OSError:
            unchanged = False
        if not unchanged:
            raise CallerError(
                f"The model file {str(self.source)!r} changed while it was published.",
                "Nothing may write to a model while it is published.",
                "Wait until training has finished, then publish again.",
            )


@dataclass(frozen=True)
class StoredFile:
    """An object in the store that becomes a file of the model; `sha256` is empty where nobody wrote it down."""

    path: str
    size: int
    key: str
    sha256: str = ""


SourceFile = LocalFile | StoredFile


def find_sources(access: Access, path: str) -> tuple[SourceFile, ...]:
    """The files at `path`, sorted by their paths in the model: on this machine, else in the store.

    Raises:
        NotFound: there is nothing there, in neither.
        CallerError, InvalidName: as `find_model_files`.
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


def _stored_files(access: Access, path: str) -> tuple[StoredFile, ...]:
    key = path.removeprefix(f"{access.store.url}/").strip("/")
    if not key.startswith("Projects/"):
        return ()
    check_key(key)
    known = _written_down(access, key)
    single = access.store.head(key)
    found = [single] if single is not None else list(access.store.list(f"{key}/"))
    root = len(key.rpartition("/")[0]) + 1 if single is not None else len(key) + 1
    return tuple(StoredFile(item.key[root:], item.size, item.key, known.get(item.key, "")) for item in found)


def _written_down(access: Access, key: str) -> dict[str, str]:
    """The SHA-256 by key of all files of the version that `key` lies in."""
    match = _VERSION_FILES.fullmatch(key)
    if match is None:
        return {}
    project, name, version = match[1], match[2], int(match[3])
    theirs = Access(access.store, Keys(project), access.clock, access.manner)
    model = find_version(theirs, name, version)
    if model is None:
        raise NotFound(
            f"{key!r} belongs to no model version.", "Its number was never published.", "Name one that exists."
        )
    prefix = theirs.keys.model_files(name, version)
    return {prefix + file.path: file.sha256 for file in model.files}


def fingerprint_of_stored(access: Access, file: StoredFile) -> Fingerprint:
    """What an object holds: as it was written down, else read."""
    return Fingerprint(file.size, file.sha256) if file.sha256 else fingerprint_in_store(access.store, file.key)
