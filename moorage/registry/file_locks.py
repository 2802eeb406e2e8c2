"""Locks between processes: `flock` on empty files. The system releases them when their holder dies, however it dies.

A lock belongs to one opening of the file, so two threads of one process exclude each other as two processes do.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SHARED: Final = fcntl.LOCK_SH
EXCLUSIVE: Final = fcntl.LOCK_EX


def take(path: Path, kind: int) -> int:
    """Waits for the lock on the file at `path`, which is made when it is missing; returns a descriptor to `release`."""
    while True:
        if (held := _taken(path, kind)) is not None:
            return held


def take_at_once(path: Path, kind: int) -> int | None:
    """The same without waiting: None when somebody else has the lock."""
    try:
        return _taken(path, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return None


def release(held: int) -> None:
    """Gives the lock back, also where a forked child has inherited the descriptor."""
    fcntl.flock(held, fcntl.LOCK_UN)
    os.close(held)


@contextmanager
def locked(path: Path, *, waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Holds the lock on the file at `path` alone.

    Args:
        waiting: called first when somebody else has it.
    """
    held = take_at_once(path, EXCLUSIVE)
    if held is None:
        waiting()
        held = take(path, EXCLUSIVE)
    try:
        yield
    finally:
        release(held)


def _taken(path: Path, kind: int) -> int | None:
    # Opened for writing, because NFS takes no exclusive lock otherwise.
    opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(opened, kind)
        if _is_at(opened, path):
            return opened
    except BaseException:
        os.close(opened)
        raise
    # Whoever had it removed the file: the lock on it excludes nobody any more.
    release(opened)
    return None


def _is_at(opened: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(opened), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
