"""What tells a process from a later one with the same id: when it was born, counted from the machine's start."""

from __future__ import annotations

import contextlib
from typing import Final

import psutil

# The start of a process is known to a hundredth of a second, that of the machine to a second.
_SAME_BIRTH_S: Final = 2


def born(pid: int) -> float:
    """Seconds from the machine's start to the process's; 0 when there is no such process."""
    try:
        return _since_boot(psutil.Process(pid))
    except psutil.Error:
        return 0.0


def lives(pid: int, since_boot: float) -> bool:
    """Whether just this process lives: not a zombie, and no later one that was given its id."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        same = abs(_since_boot(process) - since_boot) < _SAME_BIRTH_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    return False


def _since_boot(process: psutil.Process) -> float:
    """Unlike the time of day, nobody sets that anew."""
    # first: psutil works out create_time from the boot time that it read last
    boot = psutil.boot_time()
    return float(process.create_time() - boot)
