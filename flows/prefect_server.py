"""Prefect's server, whose garbage is collected beside its event loop: `python -m flows.prefect_server server start`.

Garbage may hold a statement of SQLite's, above all after a write that failed because the database was locked. To
finalise it, the collector waits for its connection, and that may be waiting for the database. Where the event loop is
what collects, whoever has the database cannot give it back meanwhile: all of the server stands still until SQLite's
busy timeout, a minute, is over. A thread of its own may wait. https://sqlite.org/threadsafe.html
"""

from __future__ import annotations

import gc
import threading
import time
from typing import Final

_EVERY_S: Final = 1.0
# All generations; what the server keeps for good makes this take tenths of a second.
_ALL_EVERY_S: Final = 60.0


def collect_beside() -> None:
    """From now on a thread of its own collects this process's garbage, and no other does."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    last = time.monotonic()
    while True:
        time.sleep(_EVERY_S)
        if time.monotonic() - last < _ALL_EVERY_S:
            gc.collect(1)
        else:
            gc.collect()
            last = time.monotonic()


if __name__ == "__main__":
    collect_beside()
    from prefect.cli import app

    app()
