"""Many threads that open a store at once where obstore is not installed; a process of its own, started by a test."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

sys.modules["obstore"] = None  # type: ignore[assignment]

from moorage.store.s3 import S3Store  # noqa: E402 - after obstore is gone

THREADS = 16
barrier = threading.Barrier(THREADS)


def look(number: int) -> bool:
    """Whether an object is there, by a store of this thread's own."""
    store = S3Store(sys.argv[1], f"thread-{number}")
    barrier.wait(30)
    return store.head("nothing") is not None


with ThreadPoolExecutor(THREADS) as threads:
    assert not any(threads.map(look, range(THREADS)))
