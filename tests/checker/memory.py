"""An object store in memory that keeps the contract within one process: what the model checker runs over."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

from moorage.errors import NotFound
from moorage.store.base import ObjectInfo, check_key


class MemoryStore:
    """Objects by key. Its clock counts writes, so that no test depends on a real one."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._times: dict[str, float] = {}

    @property
    def url(self) -> str:
        return "memory://"

    parallel = 1

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        check_key(key)
        content = content_of(body)
        if key in self.objects:
            return False
        self.objects[key] = content
        self._times[key] = float(1 + len(self._times))
        return True

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        try:
            content = self.objects[check_key(key)]
        except KeyError:
            raise NotFound(f"There is no object {key!r}.") from None
        return content[start : None if length is None else start + length]

    def head(self, key: str) -> ObjectInfo | None:
        return self._info(key) if check_key(key) in self.objects else None

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        folder, slash, _ = prefix.rpartition("/")
        if slash:
            check_key(folder)
        keys = sorted((key for key in self.objects if key.startswith(prefix)), key=str.encode)
        return iter([self._info(key) for key in islice(keys, limit)])

    def delete(self, key: str) -> None:
        self.objects.pop(check_key(key), None)

    def copy_if_absent(self, source: str, key: str, *, tag: str = "", is_put_by_hand: bool = False) -> bool:
        return self.put_if_absent(key, self.get(source))

    def is_content_of(self, info: ObjectInfo, path: Path) -> bool:
        return self.get(info.key) == path.read_bytes()

    def _info(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, len(self.objects[key]), self._times[key])


class FolderStore(MemoryStore):
    """The same, for the ways that are taken where a list is slow and looking up is fast."""

    lists_whole_folders: Literal[True] = True


def content_of(body: bytes | BinaryIO) -> bytes:
    """What a put is to write; a stream is read to its end, in chunks."""
    return body if isinstance(body, bytes) else b"".join(iter(lambda: body.read(1 << 20), b""))
