"""The checker has teeth: each fault that the protocol excludes is caught within a bounded number of schedules."""

from __future__ import annotations

import pytest

from moorage.errors import MoorageError
from tests.checker.cast import Materials
from tests.checker.faults import FAULTS
from tests.checker.schedule import System, run_schedule
from tests.checker.witness import Violation

MAX_SEEDS = 400


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_in_the_protocol_is_caught(fault: str, materials: Materials) -> None:
    seed, violation = first_caught(materials, FAULTS[fault])
    print(f"caught at seed {seed}: {violation}")


def first_caught(materials: Materials, system: System) -> tuple[int, Exception]:
    for seed in range(MAX_SEEDS):
        try:
            run_schedule(materials, seed, system=system)
        except (Violation, MoorageError) as violation:
            return seed, violation
    pytest.fail(f"{MAX_SEEDS} schedules did not show the fault")
