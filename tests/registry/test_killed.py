"""Publishers killed every 0.7 s, over each store, with garbage collected beside them: nothing acknowledged is lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path

import pytest

from moorage.registry.keys import Keys
from moorage.registry.record import ModelVersion
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from tests.waiting import until

KEYS = Keys("demo")
PUBLISHERS = 8
KILLS = 12
BETWEEN_KILLS_S = 0.7
# Versions told at the very least, however slow the machine.
ENOUGH = 20
# How old a claim must be for the collector: so young that it takes the living for dead now and then.
LEASES_S = {"directory": 0.2, "s3": 2.0}

# Publishes three files of 30 KB again and again, each time with a key of its own, moves an alias, and says what it was
# told. Every third time it asks twice, as a task does that is run again.
PUBLISHER = """
import os, sys
from pathlib import Path
from moorage.errors import CallerError
from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.store import open_store
registry, folder, name = Registry(open_store(sys.argv[1]), "demo"), Path(sys.argv[2]), sys.argv[3]
for number in range(10_000):
    for path in "abc":
        (folder / path).write_bytes(f"{name} {number} {path} ".encode().ljust(30_000, b"."))
    source = ModelSource(path=str(folder), description=f"{name} {number}")
    for _ in range(1 + (number % 3 == 0)):
        told = registry.publish("iris", source, actor=name, idempotency_key=f"{name} {number}").model
    try:
        registry.references("iris").move_aliases({name: told.version}, actor=name)
    except CallerError:
        pass
    print(told.version, told.digest, flush=True)
"""

COLLECTOR = """
import sys
from moorage.registry.registry import Registry
from moorage.store import open_store
registry = Registry(open_store(sys.argv[1]), "demo")
while True:
    registry.collect_garbage(lease_s=float(sys.argv[4]))
    print(".", flush=True)
"""


class Workshop:
    """Publishers and a collector, each with a file that it writes what it was told to."""

    def __init__(self, folder: Path, store: ObjectStore, *, lease_s: float) -> None:
        self._folder = folder
        self._store = store
        self._lease_s = lease_s
        self._numbers = count()
        self.running: list[subprocess.Popen[bytes]] = []
        self.outputs: list[Path] = []

    def start(self, script: str, name: str) -> None:
        place = self._folder / f"{name}-{next(self._numbers)}"
        place.mkdir()
        output = place.with_suffix(".txt")
        command = [sys.executable, "-c", script, self._store.url, str(place), place.name, str(self._lease_s)]
        with output.open("wb") as file:
            self.running.append(subprocess.Popen(command, stdout=file))
        self.outputs.append(output)

    def kill(self, index: int) -> None:
        victim = self.running.pop(index)
        victim.kill()
        victim.wait()

    def kill_all(self) -> None:
        while self.running:
            self.kill(0)

    def wait_for(self, more: int) -> None:
        enough = len(list(chain(*self.told()))) + more
        until(lambda: len(list(chain(*self.told()))) >= enough, timeout_s=120, what="publishing")

    def told(self) -> list[list[tuple[int, str]]]:
        """What each was told: versions with their digests, in the order of the answers."""
        return [_answers(path) for path in self.outputs]


def _answers(path: Path) -> list[tuple[int, str]]:
    # A line without its end is one that its writer was killed over.
    lines = path.read_text().splitlines(keepends=True)
    words = [line.split() for line in lines if line.endswith("\n") and line != ".\n"]
    return [(int(version), digest) for version, digest in words]


@pytest.mark.parametrize("kind", LEASES_S)
def test_publishers_killed_beside_a_collector_lose_and_tear_and_double_nothing(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store: ObjectStore = request.getfixturevalue("store" if kind == "directory" else "s3_store")
    workshop = Workshop(tmp_path, store, lease_s=LEASES_S[kind])
    request.addfinalizer(workshop.kill_all)
    workshop.start(COLLECTOR, "collector")
    for _ in range(PUBLISHERS):
        workshop.start(PUBLISHER, "publisher")
    workshop.wait_for(PUBLISHERS)
    choose = random.Random(0)
    for _ in range(KILLS):
        # Not a wait for anything: this is how often one dies.
        time.sleep(BETWEEN_KILLS_S)
        workshop.kill(choose.randrange(1, len(workshop.running)))
        workshop.start(PUBLISHER, "publisher")
    workshop.wait_for(ENOUGH)
    assert [process.poll() for process in workshop.running] == [None] * (1 + PUBLISHERS)
    workshop.kill_all()
    check_all(store, workshop.told())


def check_all(store: ObjectStore, told: list[list[tuple[int, str]]]) -> None:
    registry = Registry(store, "demo")
    registry.collect_garbage("iris", lease_s=0)
    versions = {found.version: registry.verify("iris", found.version) for found in registry.versions("iris")}
    answers = list(chain(*told))
    assert len({version for version, _ in answers}) == len(answers)
    assert all(versions[version].digest == digest for version, digest in answers)
    assert all(numbers == sorted(numbers) for numbers in ([version for version, _ in each] for each in told))
    descriptions = [model.description for model in versions.values()]
    assert len(set(descriptions)) == len(descriptions)
    assert {found.key for found in store.list("Projects/demo/Models/")} == set(files_of(versions.values()))
    assert registry.get("iris").version == max(versions)
    entries = registry.references("iris").history()
    assert {*entries[-1].state.aliases.values()} <= versions.keys()


def files_of(models: Iterable[ModelVersion]) -> list[str]:
    return [KEYS.model_files("iris", model.version) + file.path for model in models for file in model.files]
