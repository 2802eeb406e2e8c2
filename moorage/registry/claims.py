"""Who takes a version number, and whether they are still there."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from moorage.birth import born, lives
from moorage.registry.record import Claim
from moorage.store.records import Clock, timestamp

# Linux only: https://man7.org/linux/man-pages/man4/random.4.html. Elsewhere the birth alone tells.
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def claim_of_this_process(owner: str, idempotency: str, clock: Clock) -> Claim:
    """The claim that this process writes."""
    return Claim(
        owner,
        socket.gethostname(),
        timestamp(clock),
        idempotency=idempotency,
        pid=os.getpid(),
        born=born(os.getpid()),
        boot=_boot(),
    )


def is_gone(claim: Claim) -> bool:
    """Whether the process that claimed is known to have ended: it ran on this machine, and does so no more.

    Of another machine's process nothing is known, and of two containers with one host name too much: a claimant
    taken for gone by mistake loses its number, and takes another.
    """
    if not claim.pid or claim.host != socket.gethostname():
        return False
    return claim.boot != _boot() or not lives(claim.pid, claim.born)


def _boot() -> str:
    with suppress(OSError):
        return _BOOT_ID.read_text().strip()
    return ""
