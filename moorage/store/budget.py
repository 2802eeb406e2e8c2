"""How much may be in memory at once, of all transfers together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """Bytes that many threads share: who wants more than are left waits until others have given some back.

    A single wish beyond the limit is granted when nobody holds anything, so that no size waits for ever.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held = 0
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Waits until `size` bytes are left, and holds them until `give_back`."""
        with self._changed:
            self._changed.wait_for(lambda: self._held == 0 or self._held + size <= self.limit)
            self._held += size

    def give_back(self, size: int) -> None:
        """Lets others have them."""
        with self._changed:
            self._held -= size
            self._changed.notify_all()

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Holds `size` bytes while its body runs."""
        self.take(size)
        try:
            yield
        finally:
            self.give_back(size)
