"""Any store, with something done just before it is asked a certain thing: what a rival does, or death."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from moorage.store.base import CopiesObjects, FinishedUpload, KeepsUnfinishedUploads, ObjectInfo, ObjectStore


class Watched:
    """The store, and what it was asked: "put key", "copy source", "finish key", …"""

    def __init__(self, store: ObjectStore) -> None:
        assert isinstance(store, CopiesObjects)
        self._store = store
        self._copying: CopiesObjects = store
        self._plans: list[tuple[str, Callable[[], object]]] = []
        self.asked: list[str] = []
        self.parallel = store.parallel
        self.url = store.url

    def before(self, words: str, act: Callable[[], object], *, time: int = 1) -> None:
        """Acts once, before the nth thing asked that begins with the first word and holds the others."""
        left = [time]

        def count() -> None:
            left[0] -= 1
            if not left[0]:
                act()

        self._plans.append((words, count))

    def count(self, words: str) -> int:
        """How many such things were asked."""
        return sum(_matches(asked, words) for asked in self.asked)

    def note(self, asked: str) -> None:
        self.asked.append(asked)
        for words, act in self._plans:
            if _matches(asked, words):
                act()

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        self.note(f"put {key}")
        return self._store.put_if_absent(key, body)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.note(f"get {key}")
        return self._store.get(key, start=start, length=length)

    def head(self, key: str) -> ObjectInfo | None:
        self.note(f"head {key}")
        return self._store.head(key)

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        self.note(f"list {prefix}")
        return self._store.list(prefix, limit=limit)

    def delete(self, key: str) -> None:
        self.note(f"delete {key}")
        self._store.delete(key)

    def copy_if_absent(self, source: str, key: str, *, tag: str = "", is_put_by_hand: bool = False) -> bool:
        self.note(f"copy {source}")
        return self._copying.copy_if_absent(source, key, tag=tag, is_put_by_hand=is_put_by_hand)

    def is_content_of(self, info: ObjectInfo, path: Path) -> bool:
        self.note(f"compare {info.key}")
        return self._copying.is_content_of(info, path)


class WatchedUploads(Watched):
    """The same of a store that keeps unfinished uploads."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        assert isinstance(store, KeepsUnfinishedUploads)
        self._uploads: KeepsUnfinishedUploads = store

    def abort_uploads(self, prefix: str) -> None:
        self._uploads.abort_uploads(prefix)

    def finish_upload(self, key: str, stream: BinaryIO) -> FinishedUpload | None:
        self.note(f"finish {key}")
        return self._uploads.finish_upload(key, stream)


def watched(store: ObjectStore) -> Watched:
    """The store, watched, with all that it can do."""
    return (WatchedUploads if isinstance(store, KeepsUnfinishedUploads) else Watched)(store)


def die() -> None:
    """Ends this process as a machine that fails does."""
    os.kill(os.getpid(), signal.SIGKILL)


def _matches(asked: str, words: str) -> bool:
    verb, *rest = words.split()
    return asked.startswith(f"{verb} ") and all(word in asked for word in rest)
