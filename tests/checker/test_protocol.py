"""The registry's protocol under every adversity at once: any order of steps, crashes, lost answers, slow lists.

When one of these fails it prints the seed and the size: `run_schedule(materials, seed, size=size)` does it again.
"""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.checker.cast import Materials
from tests.checker.schedule import run_schedule
from tests.checker.scheduler import Odds

# Each runs for 5 to 20 ms: that an answer was lost is logged again and again, and is what was asked for.
SCHEDULES = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@settings(SCHEDULES, max_examples=2000)
@given(seed=st.integers(0, 2**32), size=st.integers(5, 7))
def test_the_invariants_hold_after_every_step(materials: Materials, seed: int, size: int) -> None:
    run_schedule(materials, seed, size=size)


@settings(SCHEDULES, max_examples=50)
@given(seed=st.integers(0, 2**32))
def test_they_hold_for_the_whole_cast_at_once(materials: Materials, seed: int) -> None:
    run_schedule(materials, seed, size=15)


@settings(SCHEDULES, max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_they_hold_where_every_tenth_step_is_a_crash_and_every_fifth_answer_lost(
    materials: Materials, seed: int
) -> None:
    run_schedule(materials, seed, odds=Odds(crash=0.1, lost_answer=0.2))


def test_the_same_seed_is_the_same_schedule(materials: Materials) -> None:
    first, again = (run_schedule(materials, 7, size=8) for _ in range(2))
    assert (first.told, first.reasons) == (again.told, again.reasons)
    assert first.told


def test_without_crashes_and_lost_answers_every_publisher_is_told_a_version(materials: Materials) -> None:
    witness = run_schedule(materials, 0, size=15, odds=Odds(crash=0, lost_answer=0))
    assert set(witness.told.values()) >= {"publisher 0", "publisher 1", "publisher 2"}
    assert len([who for who in witness.told.values() if who.startswith("repeated")]) == 1
