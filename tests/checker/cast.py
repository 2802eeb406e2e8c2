"""The processes of the model, each a client of the registry as any other: publishers, collectors, readers, …"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moorage.errors import CallerError, NotFound, StoreUnavailable
from moorage.predictor import ModelSource
from moorage.registry.artifact_files import ArtifactFiles
from moorage.registry.record import ModelVersion
from moorage.registry.reference_log import ReferenceEntry, ReferenceLog
from moorage.registry.references import Pin
from moorage.registry.registry import Registry
from tests.checker.witness import MODEL, Violation, Witness

SHARED_KEY = "flow run 7, register_model"


@dataclass(frozen=True)
class Materials:
    """What is published and built: a few bytes each, written once for all schedules."""

    sources: list[ModelSource]
    scripts: list[Path]

    @classmethod
    def make(cls, folder: Path) -> Materials:
        sources, scripts = [], []
        for number in range(8):
            place = folder / f"model-{number}"
            place.mkdir()
            for name in ("a", "b")[: 1 + number % 2]:
                (place / name).write_text(f"{name} of {number}")
            sources.append(ModelSource(path=str(place)))
        for number in range(2):
            script = folder / f"script-{number}" / "predictor.py"
            script.parent.mkdir()
            script.write_text(f"# {number}")
            scripts.append(script)
        return cls(sources, scripts)


@dataclass(frozen=True)
class Role:
    """One process, before it has a registry to work on: what it is to do with one."""

    name: str
    act: Callable[[Registry, Witness, random.Random], None]


def publisher(name: str, source: ModelSource, idempotency_key: str | None = None) -> Role:
    """Publishes, and does so again when the store did not answer, as a task is retried."""

    def act(registry: Registry, witness: Witness, _: random.Random) -> None:
        for _attempt in range(3):
            floor, existing = witness.newest_told(), witness.existing()
            try:
                told = registry.publish(MODEL, source, actor=name, idempotency_key=idempotency_key)
            except StoreUnavailable:
                continue
            except NotFound as refusal:
                _expect_deleted(refusal, witness, existing)
                return
            witness.published(name, told, floor=floor, idempotency_key=idempotency_key)
            return

    return Role(name, act)


def collector(name: str) -> Role:
    """Collects garbage twice, without any lease, and now and then keeps but a few versions."""

    def act(registry: Registry, witness: Witness, choose: random.Random) -> None:
        for attempt in range(2):
            keep = choose.choice([None, None, 2])
            try:
                registry.collect_garbage(MODEL, lease_s=0, now=1e12, keep=keep, actor=f"{name} {attempt}")
            except StoreUnavailable:
                continue

    return Role(name, act)


def client(name: str) -> Role:
    """Moves aliases, pins, tags and deletes; each time for a reason of its own, by which it is known in the log."""

    def act(registry: Registry, witness: Witness, choose: random.Random) -> None:
        references = registry.references(MODEL)
        for number in range(3):
            reason = f"{name} {number}"
            verbs = _verbs(references, reason, choose.randint(1, 4), choose.choice([None, 1, 2, 3]))
            try:
                entry = choose.choice(verbs)()
            except (StoreUnavailable, CallerError):
                # Refused: that version is not there, or is held. Whether what was allowed was right, I8 says.
                continue
            witness.referenced(name, reason, entry)

    return Role(name, act)


def builder(name: str, script: Path, versions: list[ModelVersion]) -> Role:
    """Builds artifact versions; another builder builds the same."""

    def act(registry: Registry, witness: Witness, choose: random.Random) -> None:
        for _attempt in range(2):
            model = choose.choice(versions)
            try:
                told = registry.build_artifact_version(model, ArtifactFiles(script), actor=name)
            except StoreUnavailable:
                continue
            witness.built(name, told)

    return Role(name, act)


def reader(name: str) -> Role:
    """Lists, follows an alias, finds the newest version, and verifies it."""

    def act(registry: Registry, witness: Witness, _: random.Random) -> None:
        for look in (_list, _follow, _find_newest, _verify, _find_newest, _list):
            try:
                look(registry, witness)
            except StoreUnavailable:
                continue

    return Role(name, act)


def whole_cast(materials: Materials, versions: list[ModelVersion]) -> list[Role]:
    """3 publishers, 3 with one key, 2 collectors, 2 clients, 4 builders and a reader."""
    sources = materials.sources
    return [
        *(publisher(f"publisher {number}", sources[2 + number]) for number in range(3)),
        *(publisher(f"repeated {number}", sources[5 + number], SHARED_KEY) for number in range(3)),
        *(collector(f"collector {number}") for number in range(2)),
        *(client(f"client {number}") for number in range(2)),
        *(builder(f"builder {number}", materials.scripts[number % 2], versions) for number in range(4)),
        reader("reader"),
    ]


def _verbs(
    references: ReferenceLog, reason: str, version: int, other: int | None
) -> list[Callable[[], ReferenceEntry | None]]:
    return [
        lambda: references.move_aliases({"champion": version, "rival": other}, reason=reason),
        lambda: references.move_aliases({"champion": version}, reason=reason),
        lambda: references.pin("fraud", {Pin(number, 0) for number in (version, other) if number}, reason=reason),
        lambda: references.repin("fraud", lambda state: state.pins_of("fraud") | {Pin(version, 0)}, reason=reason),
        lambda: references.delete(version, reason=reason),
        lambda: references.delete(version, reason=reason),
        lambda: references.set_tag(version, "by", reason, reason=reason),
        lambda: references.unpin("fraud", reason=reason),
    ]


def _list(registry: Registry, witness: Witness) -> None:
    deleted_before, told_before = witness.deleted, set(witness.told)
    try:
        told = registry.versions(MODEL)
    except NotFound:
        told = []
    witness.listed(told, deleted_before=deleted_before, told_before=told_before)


def _follow(registry: Registry, witness: Witness) -> None:
    since = len(witness.states) - 1
    try:
        model = registry.get(MODEL, "champion")
    except NotFound:
        return
    targets = [state.aliases.get("champion") for state in witness.states[since:]]
    if model.version not in targets:
        raise Violation(f"I3: 'champion' was {targets} meanwhile, and version {model.version} was told")


def _find_newest(registry: Registry, witness: Witness) -> None:
    deleted_before, since = witness.deleted, len(witness.newest)
    try:
        model = registry.get(MODEL)
    except NotFound:
        witness.found_newest(None, since=since)
        return
    witness.found_newest(model, since=since)
    witness.listed([model.summary], deleted_before=deleted_before, told_before=set())


def _verify(registry: Registry, witness: Witness) -> None:
    existing = witness.existing()
    try:
        registry.verify(MODEL)
    except NotFound as refusal:
        _expect_deleted(refusal, witness, existing)


def _expect_deleted(refusal: NotFound, witness: Witness, existed: set[int]) -> None:
    if "was deleted" not in refusal.what and existed - witness.deleted:
        raise Violation(f"I5: a version that was never deleted was not found: {refusal}") from refusal
