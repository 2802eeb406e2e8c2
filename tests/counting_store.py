"""A store that counts what is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from moorage.store.base import ObjectStore

_READS = frozenset({"get", "head", "list"})
_WRITES = frozenset({"put_if_absent", "delete", "copy_if_absent"})


class CountingStore:
    """Counts each read and write; all else is the store's own."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.reads = self.writes = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._counted(name, found) if name in _READS | _WRITES else found

    def _counted(self, name: str, verb: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(verb)
        def counted(*args: Any, **options: Any) -> Any:
            if name in _READS:
                self.reads += 1
            else:
                self.writes += 1
            return verb(*args, **options)

        return counted
