"""Waiting between two tries of a race, a little and at random, so that the same writers do not meet again."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Final

from moorage.errors import StoreUnavailable

FIRST_WAIT_S: Final = 0.002
LONGEST_WAIT_S: Final = 0.25
# In every round somebody wins: so many losses in a row mean a store that does not show what was put.
MAX_TRIES: Final = 500
# The system's randomness: forked processes would share a seed, and so meet again every time.
_RANDOM: Final = secrets.SystemRandom()


def tries(what: str, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[int]:
    """Counts tries from 1, waiting before each but the first.

    Args:
        what: what is tried, for the message: "claiming a version of model 'iris'".

    Raises:
        StoreUnavailable: after `MAX_TRIES`.
    """
    longest = FIRST_WAIT_S
    for number in range(1, MAX_TRIES + 1):
        yield number
        sleep(_RANDOM.uniform(0, longest))
        longest = min(2 * longest, LONGEST_WAIT_S)
    raise StoreUnavailable(
        f"Gave up {what}: {MAX_TRIES} times in a row another writer was first.",
        "A store shows at once what was put.",
        "See whether the store does, and who else writes to it.",
    )
