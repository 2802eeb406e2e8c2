"""Waiting in tests: look first, give up loudly."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T | None], *, timeout_s: float = 20, what: str = "it", poll_s: float = 0.02) -> T:
    """What `look` returns as soon as that is true; fails after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s} s"
        time.sleep(poll_s)
    return seen
