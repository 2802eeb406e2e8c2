"""Several subflows at once, each under the flow that calls them."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(work: Callable[[Item], Result], items: Iterable[Item], *, at_once: int) -> list[Result]:
    """What `work` makes of each item, in order, so many at once.

    One alone runs in this thread, where a signal interrupts it. Interrupted, what runs is waited for, and what has not
    begun never does.
    """
    items = list(items)
    if len(items) < 2 or at_once < 2:
        return [work(item) for item in items]
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="subflow")
    try:
        # Prefect knows by the context whose subflow it is; each thread needs a copy of its own
        futures = [pool.submit(contextvars.copy_context().run, work, item) for item in items]
        return [future.result() for future in futures]
    finally:
        pool.shutdown(cancel_futures=True)
