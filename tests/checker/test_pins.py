"""Pins and retention under every adversity: deploys, deletions and garbage collection in any order, with crashes."""

from __future__ import annotations

import logging
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from moorage.registry.registry import Registry
from tests.checker.cast import Materials
from tests.checker.deployers import AppliedLog, PinWitness, deploy, end, remove, site_over, tidy
from tests.checker.memory import MemoryStore
from tests.checker.schedule import MANNER, now
from tests.checker.scheduler import Odds, Process, ScheduledStore, Scheduler
from tests.checker.test_protocol import SCHEDULES
from tests.checker.witness import MODEL, PROJECT

CAST = {"ann": deploy, "bob": deploy, "cid": deploy, "eve": end, "gus": tidy, "hal": tidy, "joe": remove}


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def run_deployers(materials: Materials, seed: int, *, size: int = 5, odds: Odds | None = None) -> None:
    """Runs some of the cast over a model with three versions; raises Violation when an invariant does not hold."""
    store, backend, choose = MemoryStore(), AppliedLog(), random.Random(seed)
    before = Registry(store, PROJECT, clock=now, manner=replace(MANNER, checkpoint_every=100))
    for source in materials.sources[:3]:
        before.publish(MODEL, source)

    def process(name: str) -> Process:
        def body(view: ScheduledStore) -> None:
            registry = Registry(view, PROJECT, clock=now, manner=MANNER)
            CAST[name](site_over(view, registry, backend, name), random.Random(f"{seed} {name}"))

        return Process(name, body)

    cast = [process(name) for name in choose.sample(sorted(CAST), size)]
    Scheduler(store, seed, PinWitness(store, backend).look, odds).run(cast)


@hypothesis_settings(SCHEDULES, max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_what_may_run_is_pinned_and_what_was_proven_is_kept_after_every_step(materials: Materials, seed: int) -> None:
    run_deployers(materials, seed)
