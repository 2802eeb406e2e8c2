from __future__ import annotations

import threading


class Watch:
    """Progress as a bar sees it."""

    def __init__(self) -> None:
        self.total = 0
        self.done = 0
        self._lock = threading.Lock()

    def begin(self, total: int) -> None:
        self.total, self.done = total, 0

    def advance(self, size: int) -> None:
        with self._lock:
            self.done += size
