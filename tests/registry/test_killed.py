"""Publishers killed at any moment, over and over, with garbage collected beside them: nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path

import pytest

from moorage.registry.keys import Keys
from moorage.registry.record import ModelVersion
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore
from tests.waiting import until

KEYS = Keys("demo")
WORKERS = 6
KILLS = 12
# Answers between two kills: about half a second's worth on two cores.
BETWEEN_KILLS = 40

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
    registry.collect_garbage("iris", lease_s=0.2)
    print(".", flush=True)
"""


class Workshop:
    """Publishers and a collector, each with a file that it writes what it was told to."""

    def __init__(self, folder: Path, store: DirectoryStore) -> None:
        self._folder = folder
        self._store = store
        self._numbers = count()
        self.running: list[subprocess.Popen[bytes]] = []
        self.outputs: list[Path] = []

    def start(self, script: str, name: str) -> None:
        place = self._folder / f"{name}-{next(self._numbers)}"
        place.mkdir()
        output = place.with_suffix(".txt")
        command = [sys.executable, "-c", script, self._store.url, str(place), place.name]
        with output.open("wb") as file:
            self.running.append(subprocess.Popen(command, stdout=file))
        self.outputs.append(output)

    def kill(self, index: int) -> None:
        victim = self.running.pop(index)
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()

    def kill_all(self) -> None:
        while self.running:
            self.kill(0)

    def wait_for(self, more: int) -> None:
        enough = len(self.told()) + more
        until(lambda: len(self.told()) >= enough, timeout_s=60, what="publishing")

    def told(self) -> list[tuple[int, str]]:
        # A line without its end is one that its writer was killed over.
        lines = chain.from_iterable(path.read_text().splitlines(keepends=True) for path in self.outputs)
        words = [line.split() for line in lines if line.endswith("\n") and line != ".\n"]
        return [(int(version), digest) for version, digest in words]


def test_publishers_killed_beside_a_collector_lose_and_tear_and_double_nothing(
    store: DirectoryStore, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    workshop = Workshop(tmp_path, store)
    request.addfinalizer(workshop.kill_all)
    workshop.start(COLLECTOR, "collector")
    for _ in range(WORKERS):
        workshop.start(PUBLISHER, "publisher")
    choose = random.Random(0)
    for _ in range(KILLS):
        workshop.wait_for(BETWEEN_KILLS)
        workshop.kill(choose.randrange(1, len(workshop.running)))
        workshop.start(PUBLISHER, "publisher")
    assert workshop.running[0].poll() is None
    workshop.kill_all()
    check_all(store, workshop.told())


def check_all(store: DirectoryStore, told: list[tuple[int, str]]) -> None:
    registry = Registry(store, "demo")
    registry.collect_garbage("iris", lease_s=0)
    versions = {found.version: registry.get("iris", found.version) for found in registry.versions("iris")}
    assert len(told) >= KILLS * BETWEEN_KILLS
    assert len({version for version, _ in told}) == len(told)
    assert all(versions[version].digest == digest for version, digest in told)
    descriptions = [model.description for model in versions.values()]
    assert len(set(descriptions)) == len(descriptions)
    for version in versions:
        registry.verify("iris", version)
    assert set(files_in(store)) == set(files_of(versions.values()))
    entries = registry.references("iris").history()
    assert {*entries[-1].state.aliases.values()} <= versions.keys()


def files_in(store: DirectoryStore) -> list[str]:
    return [found.key for found in store.list("Projects/demo/Models/")]


def files_of(models: Iterable[ModelVersion]) -> list[str]:
    return [KEYS.model_files("iris", model.version) + file.path for model in models for file in model.files]
