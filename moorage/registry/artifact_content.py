"""How the content of artifact files gets into the store: small files in the log's entry itself, large ones beside it.

Whoever reads the entry can therefore make the artifact version's folder complete, long after its builder was killed.
"""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO, Final, cast

from moorage.errors import CallerError, IntegrityError, NotFound, PlatformError
from moorage.registry.access import Access
from moorage.registry.artifact_files import RoleFile
from moorage.registry.record import FileEntry
from moorage.store.base import ObjectStore
from moorage.store.transfer import send_file

# Of all files in an entry together: it is read whole each time the newest is asked for.
MAX_INLINE_BYTES: Final = 256 << 10
_PIECE_BYTES: Final = 8 << 20

# A file as an entry keeps it: role, path, size, sha256, and either `content` in base64 or the key where it is `staged`.
Record = dict[str, Any]


class ArtifactContent:
    """The content of the artifact files of one model version."""

    def __init__(self, access: Access, *, name: str, model_version: int) -> None:
        self._access = access
        self._store = access.store
        self._name = name
        self._model_version = model_version

    def send(self, files: Sequence[RoleFile]) -> list[Record]:
        """The files as an entry keeps them, once what is too large for it is staged; on failure nothing stays staged.

        Raises:
            CallerError: a file changed since it was hashed.
        """
        places = self._places(files)
        try:
            return self._access.each(lambda item: self._sent(*item), zip(files, places, strict=True))
        except BaseException:
            with suppress(PlatformError):
                self._remove(places)
            raise

    def discard(self, records: Sequence[Record]) -> None:
        """Removes what was staged for an entry that nobody wrote."""
        self._remove([record.get("staged") for record in records])

    def complete(self, number: int, records: Sequence[Record]) -> None:
        """Makes all files lie in the artifact version's folder; those that lie there already stay as they are.

        Raises:
            IntegrityError: what an entry holds, or is staged for it, is not what was hashed.
        """
        prefix = self._access.keys.artifact_files(self._name, self._model_version, number)
        present = {found.key for found in self._store.list(prefix)}
        missing = [record for record in records if prefix + record["path"] not in present]
        self._access.each(lambda record: self._publish(prefix + record["path"], record), missing)

    def _publish(self, key: str, record: Record) -> None:
        if "staged" in record:
            self._store.put_if_absent(key, self._staged(record))
        else:
            self._store.put_if_absent(key, self._inline(record))

    def _places(self, files: Sequence[RoleFile]) -> list[str | None]:
        """Where each file is to be staged; None for those that the entry itself has room for."""
        room = MAX_INLINE_BYTES
        places: list[str | None] = []
        for file in files:
            fits = file.entry.size <= room
            room -= file.entry.size if fits else 0
            places.append(None if fits else self._access.keys.staged_file(self._name, secrets.token_hex(16)))
        return places

    def _sent(self, file: RoleFile, place: str | None) -> Record:
        record: Record = {"role": file.role, **asdict(file.entry)}
        try:
            if place is not None:
                record["staged"] = place
                sent = send_file(self._store, place, file.source)
                found = FileEntry(file.entry.path, sent.size, sent.sha256)
            else:
                content = _read(file)
                record["content"] = base64.b64encode(content).decode()
                found = FileEntry(file.entry.path, len(content), hashlib.sha256(content).hexdigest())
        except OSError as error:
            raise _changed(file) from error
        if found != file.entry:
            raise _changed(file)
        return record

    def _remove(self, places: Sequence[str | None]) -> None:
        for place in places:
            if place is not None:
                self._store.delete(place)

    def _staged(self, record: Record) -> BinaryIO:
        stream = _Staged(self._store, record, self._what(record))
        return cast("BinaryIO", io.BufferedReader(stream, _PIECE_BYTES))

    def _inline(self, record: Record) -> bytes:
        content = base64.b64decode(record["content"])
        found = hashlib.sha256(content).hexdigest()
        if found != record["sha256"]:
            raise _spoilt(self._what(record), f"has sha256 {found}", record)
        return content

    def _what(self, record: Record) -> str:
        return f"Artifact file {record['path']!r} of model {self._name!r} version {self._model_version}"


class _Staged(io.RawIOBase):
    """A staged file as a stream, read in pieces; it never ends unless it is what was hashed, so nobody publishes it."""

    def __init__(self, store: ObjectStore, record: Record, what: str) -> None:
        super().__init__()
        self._store = store
        self._record = record
        self._what = what
        self._at = 0
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """To the beginning only: a store that was interrupted begins anew."""
        if (offset, whence) == (0, io.SEEK_CUR):
            return self._at
        if (offset, whence) != (0, io.SEEK_SET):
            raise io.UnsupportedOperation("it is read from its beginning, in order")
        self._at, self._hash = 0, hashlib.sha256()
        return 0

    def readinto(self, buffer: Any, /) -> int:
        left = self._record["size"] - self._at
        if not left:
            return 0
        piece = self._piece(min(left, len(buffer)))
        buffer[: len(piece)] = piece
        self._hash.update(piece)
        self._at += len(piece)
        is_last = len(piece) == left or not piece
        if is_last and self._hash.hexdigest() != self._record["sha256"]:
            raise _spoilt(self._what, f"has sha256 {self._hash.hexdigest()}", self._record)
        return len(piece)

    def _piece(self, length: int) -> bytes:
        try:
            return self._store.get(self._record["staged"], start=self._at, length=length)
        except NotFound:
            raise _spoilt(self._what, "is neither in its folder nor staged", self._record) from None


def _read(file: RoleFile) -> bytes:
    with file.source.open("rb") as source:
        # One byte more tells that it grew, whatever it grew to.
        return source.read(file.entry.size + 1)


def _changed(file: RoleFile) -> CallerError:
    return CallerError(f"{str(file.source)!r} changed while it was read.", "", "Do it again once it is saved.")


def _spoilt(what: str, found: str, record: Record) -> IntegrityError:
    return IntegrityError(
        f"{what} {found}.",
        f"Expected was {record['sha256']}.",
        "Restore it from a backup of the store, or build a new artifact version.",
    )
