"""How often, and how soon, a model server that ended is started again (pure but for the time it is told)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from moorage.startup import Cause, StartupFailure

MAX_DELAY_S: Final = 30
# A server that has answered this long counts as well: its next crash starts the back-off anew.
HEALTHY_S: Final = 60
# How often a revision that never served is tried when it ends without giving a reason (killed, crashed in C code).
ATTEMPTS: Final = 3
_WORTH_A_RETRY: Final = frozenset({Cause.STORE_UNAVAILABLE, Cause.CRASHED, Cause.KILLED})


@dataclass
class Patience:
    """What one wish has cost so far; a new wish gets a new one.

    Attributes:
        not_before: the moment before which nothing is started.
        failure: why what is wanted does not serve.
        gave_up: it never will; what served last is fallen back to.
    """

    not_before: float = 0
    failure: StartupFailure | None = None
    gave_up: bool = False
    _ends: int = 0

    def start_failed(self, failure: StartupFailure, now: float, *, served_before: bool) -> None:
        """A start came to nothing. What served before is tried for ever, what never did a few times at most."""
        if served_before:
            self.failure = failure
            self._back_off(now)
        elif failure.cause in _WORTH_A_RETRY and self._ends + 1 < ATTEMPTS:
            self._back_off(now)
        else:
            self.failure, self.gave_up = failure, True

    def server_ended(self, now: float, *, served_s: float) -> None:
        """A server that served has ended."""
        if served_s > HEALTHY_S:
            self._ends = 0
        self._back_off(now)

    def _back_off(self, now: float) -> None:
        self.not_before = now + restart_delay(self._ends)
        self._ends += 1


def restart_delay(attempt: int) -> float:
    """Seconds before a crashed server is started again: half a second, doubled with each attempt, at most 30."""
    return float(min(MAX_DELAY_S, 0.5 * 2 ** min(attempt, 10)))
