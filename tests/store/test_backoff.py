from __future__ import annotations

import pytest

from moorage.errors import StoreUnavailable
from moorage.store.backoff import LONGEST_WAIT_S, MAX_TRIES, tries


def test_the_first_try_does_not_wait() -> None:
    waits: list[float] = []
    assert next(tries("claiming a number", sleep=waits.append)) == 1
    assert waits == []


def test_who_loses_for_ever_is_told_what_to_look_at() -> None:
    waits: list[float] = []
    with pytest.raises(StoreUnavailable, match=f"Gave up claiming a number: {MAX_TRIES} times.*See whether the store"):
        list(tries("claiming a number", sleep=waits.append))
    assert len(waits) == MAX_TRIES
    assert all(0 <= wait <= LONGEST_WAIT_S for wait in waits)
