"""One schedule: a cast drawn from a seed, run to its end over a store in memory, with the invariants held."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from moorage.registry.access import Manner
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from tests.checker.cast import Materials, Role, whole_cast
from tests.checker.memory import FolderStore, MemoryStore
from tests.checker.scheduler import Odds, Process, ScheduledStore, Scheduler
from tests.checker.witness import MODEL, PROJECT, Witness

# One request at a time, so that a process has one operation in flight; no waiting; checkpoints at every other version;
# and who looks for what was cut off takes everybody else for gone.
MANNER = Manner(threads=1, checkpoint_every=2, pause=lambda _: None, is_gone=lambda _: True, worth_looking=sys.maxsize)
SALVAGING = replace(MANNER, worth_looking=0)


def now() -> datetime:
    return datetime(2025, 3, 9, 8, 7, 6, tzinfo=UTC)


@dataclass(frozen=True)
class System:
    """What is checked: the protocol as it is, or with one fault in it.

    Attributes:
        who: what the names of those begin with who may take part; all by default.
    """

    registry: type[Registry] = Registry
    who: tuple[str, ...] = ("",)
    store: Callable[[], MemoryStore] = MemoryStore
    manner: Manner = MANNER

    def open(self, store: ObjectStore) -> Registry:
        """The registry as one process has it."""
        return self.registry(store, PROJECT, clock=now, manner=self.manner)


def run_schedule(
    materials: Materials, seed: int, *, size: int = 6, system: System | None = None, odds: Odds | None = None
) -> Witness:
    """Runs `size` processes of the cast; raises Violation as soon as an invariant does not hold.

    The seed decides all: who takes part, who moves when, who crashes, whose answer is lost; and whether publishers
    go on with what others left.
    """
    system = system or System(manner=SALVAGING if seed // 2 % 2 else MANNER)
    # Numbers are found in two ways: every other schedule takes the one of a directory.
    store = FolderStore() if seed % 2 and system.store is MemoryStore else system.store()
    witness = Witness(store)
    before = Registry(store, PROJECT, clock=now, manner=replace(MANNER, checkpoint_every=100))
    versions = [before.publish(MODEL, source).model for source in materials.sources[:2]]
    witness.look()
    choose = random.Random(seed)
    invited = [role for role in whole_cast(materials, versions) if role.name.startswith(system.who)]
    cast = choose.sample(invited, min(size, len(invited)))
    scheduler = Scheduler(store, seed, witness.look, odds)
    scheduler.run([_process(role, system, witness, seed) for role in cast])
    _end(system, store, witness)
    return witness


def _process(role: Role, system: System, witness: Witness, seed: int) -> Process:
    def body(store: ScheduledStore) -> None:
        role.act(system.open(store), witness, random.Random(f"{seed} {role.name}"))

    return Process(role.name, body)


def _end(system: System, store: MemoryStore, witness: Witness) -> None:
    registry = system.open(store)
    registry.collect_garbage(MODEL, lease_s=0, now=1e12)
    witness.look()
    witness.ended()
    registry.references(MODEL).history()
    existing = sorted(set(witness.committed) - witness.deleted, reverse=True)
    if existing:
        witness.listed(registry.versions(MODEL), deleted_before=witness.deleted, told_before=set(existing))
    for version in existing:
        registry.verify(MODEL, version)
