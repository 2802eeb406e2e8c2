"""Tells when something of a deployment changed: watches that wake who waits, so that looking is cheap and prompt.

A watch here carries no state. Whoever wakes looks anew, so an event that was lost (410, a cut connection, an API server
that starts again) costs one look later, at the latest after `LOOK_S`, and nothing can go stale.
https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import urllib3
from urllib3.exceptions import HTTPError

from moorage.errors import MoorageError
from moorage.serving.cluster.client import ClusterClient
from moorage.serving.cluster.kinds import Kind

# A look is due after this long though nobody called: what time alone changes, and watches that are down.
LOOK_S: Final = 1.0
# Changes come in bursts; one look suffices for what comes together.
_GATHER_S: Final = 0.05
_WATCH_S: Final = 300
_AGAIN_S: Final = 1.0
_LEAVE_S: Final = 5.0


@dataclass
class ChangeFeed:
    """Watches some kinds of objects in threads of its own."""

    client: ClusterClient
    kinds: tuple[Kind, ...]
    selector: str
    _changed: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _streams: dict[Kind, urllib3.BaseHTTPResponse] = field(default_factory=dict)

    @contextmanager
    def watching(self) -> Iterator[ChangeFeed]:
        """Watches until the block is left; no thread outlives it."""
        threads = [threading.Thread(target=self._watch, args=(kind,), daemon=True) for kind in self.kinds]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            for stream in list(self._streams.values()):
                _cut(stream)
            for thread in threads:
                thread.join(_LEAVE_S)

    def pause(self) -> None:
        """Returns when something changed, or after `LOOK_S`."""
        if self._changed.wait(LOOK_S):
            self._ended.wait(_GATHER_S)
        self._changed.clear()

    def _watch(self, kind: Kind) -> None:
        while not self._ended.is_set():
            try:
                self._read(kind)
            except (MoorageError, HTTPError, OSError, ValueError):
                # whoever waits looks by the clock meanwhile, and hears of what is wrong there
                self._ended.wait(_AGAIN_S)

    def _read(self, kind: Kind) -> None:
        stream = self.client.stream(kind, selector=self.selector, fields="", timeout_s=_WATCH_S)
        self._streams[kind] = stream
        try:
            if self._ended.is_set():
                return
            for _ in stream.stream(amt=4096):
                self._changed.set()
                if self._ended.is_set():
                    return
        finally:
            self._streams.pop(kind, None)
            stream.close()


def _cut(stream: urllib3.BaseHTTPResponse) -> None:
    """Ends a read that another thread is in."""
    shutdown = getattr(stream, "shutdown", None)
    try:
        if shutdown is not None:
            shutdown()
    except (OSError, ValueError, HTTPError):
        return  # it ended by itself
