"""Files into the store and out of it, each with the SHA-256 of what was really sent or received."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

from moorage.errors import IntegrityError
from moorage.store.base import ObjectStore
from moorage.store.disk import disk_errors

_PIECE_BYTES: Final = 8 << 20
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """What tells one content from another: `size` in bytes, `sha256` in hexadecimal."""

    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size} bytes, sha256 {self.sha256}"


def fingerprint_of(path: Path) -> Fingerprint:
    """The fingerprint of a file. Raises OSError as reading it does."""
    with path.open("rb") as file:
        reader = HashingReader(file)
        reader.exhaust()
    return reader.fingerprint


def upload_file(store: ObjectStore, key: str, path: Path) -> Fingerprint:
    """Writes the file under `key` and returns the fingerprint of what was sent; the same content there before will do.

    Raises:
        IntegrityError: the key holds other content, which is left as it is.
        OSError: the file cannot be read; the key is left absent.
    """
    with path.open("rb") as file:
        reader = HashingReader(file)
        is_new = store.put_if_absent(key, cast("BinaryIO", reader))
        # A store may answer "exists" before it has read everything.
        reader.exhaust()
    if not is_new:
        there = _fingerprint_in_store(store, key)
        if there != reader.fingerprint:
            raise _differs(key, found=there, expected=reader.fingerprint)
    return reader.fingerprint


def download_file(store: ObjectStore, key: str, path: Path, *, size: int, sha256: str) -> None:
    """Writes the object to `path`, which appears whole and verified or not at all.

    Raises:
        IntegrityError: the object is missing, or its content is not what `size` and `sha256` say.
        StoreRefused: this machine's disk is full, read-only, or not ours to write.
    """
    expected = Fingerprint(size, sha256)
    part = path.with_name(f".{secrets.token_hex(16)}.part")
    with disk_errors(f"Object {key!r} was not downloaded", path.parent):
        try:
            with part.open("xb") as file:
                found = _copy(store, key, file)
            if found != expected:
                raise _differs(key, found=found, expected=expected)
            os.replace(part, path)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()


class HashingReader(io.RawIOBase):
    """A binary stream that remembers the fingerprint of what was read from it."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._hash = hashlib.sha256()
        self._size = 0

    @property
    def fingerprint(self) -> Fingerprint:
        """Of what was read so far."""
        return Fingerprint(self._size, self._hash.hexdigest())

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._file.read(size)
        self._hash.update(chunk)
        self._size += len(chunk)
        return chunk

    def exhaust(self) -> None:
        """Reads to the end."""
        while self.read(_CHUNK_BYTES):
            pass


def _copy(store: ObjectStore, key: str, file: BinaryIO | None) -> Fingerprint:
    there = store.head(key)
    if there is None:
        raise IntegrityError(
            f"Object {key!r} is missing.",
            "What a manifest lists stays in the store.",
            "Restore it from a backup of the store, or publish the files again as a new version.",
        )
    digest = hashlib.sha256()
    position = 0
    while position < there.size:
        piece = store.get(key, start=position, length=min(_PIECE_BYTES, there.size - position))
        if not piece:
            break
        digest.update(piece)
        position += len(piece)
        if file is not None:
            file.write(piece)
    return Fingerprint(position, digest.hexdigest())


def _fingerprint_in_store(store: ObjectStore, key: str) -> Fingerprint:
    return _copy(store, key, None)


def _differs(key: str, *, found: Fingerprint, expected: Fingerprint) -> IntegrityError:
    return IntegrityError(
        f"Object {key!r} is not what was published: it has {found}.",
        f"Expected were {expected}.",
        "Restore it from a backup of the store, or publish the files again as a new version.",
    )
