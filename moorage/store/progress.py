"""How far a transfer is, for whoever waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Protocol


class Progress(Protocol):
    """Told how far a transfer is; from many threads, and often."""

    def begin(self, total: int) -> None:
        """Says how many bytes there are to do; what was done before does not count any more."""
        ...

    def advance(self, size: int) -> None:
        """Says that so many more bytes are done; negative when some have to be done again."""
        ...


class Counted:
    """A progress that adds up, and tells `report` how many bytes are done, and of how many."""

    def __init__(self, report: Callable[[int, int | None], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._done = 0
        self._total: int | None = None

    def begin(self, total: int) -> None:
        with self._lock:
            self._done, self._total = 0, total
        self._report(0, total)

    def advance(self, size: int) -> None:
        with self._lock:
            self._done += size
            done, total = self._done, self._total
        self._report(done, total)


class _Unwatched:
    def begin(self, total: int) -> None:
        pass

    def advance(self, size: int) -> None:
        pass


UNWATCHED: Final[Progress] = _Unwatched()
