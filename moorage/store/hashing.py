"""What tells one content from another, taken while it is read."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """What tells one content from another: `size` in bytes, `sha256` in hexadecimal."""

    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size} bytes, sha256 {self.sha256}"


def fingerprint_of(path: Path) -> Fingerprint:
    """The fingerprint of a file. Raises OSError as reading it does."""
    with path.open("rb", buffering=0) as file:
        reader = HashingReader(file)
        reader.exhaust()
    return reader.fingerprint


class HashingReader(io.RawIOBase):
    """A binary stream that remembers the fingerprint of what was read from it.

    It can be read once more from its start, and then forgets what it remembered.

    Args:
        on_read: told how many bytes were read, each time.
    """

    def __init__(self, file: BinaryIO | io.FileIO, on_read: Callable[[int], None] = lambda _: None) -> None:
        super().__init__()
        self._file = file
        self._on_read = on_read
        self._hash = hashlib.sha256()
        self._size = 0
        self._has_ended = False

    @property
    def fingerprint(self) -> Fingerprint:
        """Of what was read so far."""
        return Fingerprint(self._size, self._hash.hexdigest())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def tell(self) -> int:
        return self._size

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if (offset, whence) != (0, os.SEEK_SET):
            raise io.UnsupportedOperation("only the start can be gone back to")
        self._file.seek(0)
        self._on_read(-self._size)
        self._hash, self._size, self._has_ended = hashlib.sha256(), 0, False
        return 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._file.read(size) or b""
        self._hash.update(chunk)
        self._size += len(chunk)
        self._on_read(len(chunk))
        self._has_ended = not chunk and size != 0
        return chunk

    def exhaust(self) -> None:
        """Reads to the end, unless that was read."""
        while not self._has_ended:
            self.read(CHUNK_BYTES)


def read_fully(stream: BinaryIO | io.RawIOBase, size: int) -> bytes:
    """The next `size` bytes; fewer at the end only, though a stream may give less than it is asked for."""
    piece = stream.read(size)
    if len(piece) in (0, size):
        return piece
    pieces = [piece]
    left = size - len(piece)
    while left > 0 and (piece := stream.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
