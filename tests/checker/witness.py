"""The invariants I1 to I12 of the registry protocol, held against all that happens in the store and all that is told.

The witness sees every change of the store's content, and hears every answer that a process of the model was given.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from moorage.registry.artifacts import Built
from moorage.registry.keys import Keys
from moorage.registry.record import FileEntry, ManifestState, ModelVersion, Published, VersionSummary
from moorage.registry.reference_log import ReferenceEntry
from moorage.registry.references import References
from moorage.store.log import inverted
from tests.checker.memory import MemoryStore

PROJECT = "demo"
MODEL = "iris"
KEYS = Keys(PROJECT)


class Violation(AssertionError):
    """An invariant does not hold."""


def check(holds: bool, invariant: str, what: object) -> None:
    """Raises Violation unless it holds."""
    if not holds:
        raise Violation(f"{invariant}: {what}")


@lru_cache(maxsize=4096)
def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Witness:
    """What was ever seen in the store and told by it, for one run of the model."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._seen: dict[str, bytes] = {}
        self.committed: dict[int, ModelVersion] = {}
        self.aborted: set[int] = set()
        self.newest: list[int] = [0]
        self.states: list[References] = [References()]
        self.reasons: list[str] = []
        self._last_sha256 = ""
        self._entered: dict[tuple[int, str], int] = {}
        self._artifact_files: dict[tuple[int, int], tuple[FileEntry, ...]] = {}
        self.told: dict[int, str] = {}
        self._told_by_key: dict[str, int] = {}
        self._told_artifacts: dict[tuple[int, int], str] = {}

    @property
    def deleted(self) -> frozenset[int]:
        return self.states[-1].deleted

    def existing(self) -> set[int]:
        """The versions that are committed and not deleted."""
        return self.committed.keys() - self.deleted

    def newest_told(self) -> int:
        """The largest number that a publisher was told so far."""
        return max(self.told, default=0)

    def look(self) -> None:
        """Takes in what changed in the store, and checks all of it."""
        objects = self._store.objects
        if objects == self._seen:
            return
        for key in sorted(objects.keys() | self._seen.keys()):
            if objects.get(key) is not self._seen.get(key):
                self._changed(key, objects.get(key))
        self._seen = dict(objects)
        self.newest.append(max(self.existing(), default=0))
        self._check_files()

    def published(self, who: str, told: Published, *, floor: int, idempotency_key: str | None) -> None:
        """A publisher was told its version; `floor` is the largest number told before it asked."""
        version = told.model.version
        check(self.committed.get(version) == told.model, "I5", f"{who} was told of version {version}, not committed")
        if idempotency_key:
            first = self._told_by_key.setdefault(idempotency_key, version)
            check(first == version, "I12", f"versions {first} and {version} were told for one key")
        if told.reused:
            return
        check(version not in self.told, "I1", f"{who} and {self.told.get(version)} were both told {version}")
        check(version > floor, "I4", f"{who} was told {version} after {floor} was told")
        check(told.model.created_by == who, "I3", f"version {version} of {who} is {told.model.created_by}'s")
        self.told[version] = who

    def built(self, who: str, told: Built) -> None:
        """A builder was told its artifact version."""
        artifact = told.artifact
        place = artifact.model_version, artifact.version
        known = self._entered.get((artifact.model_version, artifact.digest))
        check(known == artifact.version, "I10", f"{who} was told artifact version {place}, in the log it is {known}")
        self._told_artifacts[place] = artifact.digest
        self._check_files()

    def referenced(self, who: str, reason: str, entry: ReferenceEntry | None) -> None:
        """A client was told what it wrote to the references log; its reason is its own."""
        expected = [] if entry is None else [entry.seq]
        found = [seq for seq, other in enumerate(self.reasons, 1) if other == reason]
        check(found == expected, "I9", f"{who} was told entries {expected}, in the log are {found}")

    def listed(self, told: list[VersionSummary], *, deleted_before: frozenset[int], told_before: set[int]) -> None:
        """A reader was told all versions."""
        versions = [model.version for model in told]
        check(versions == sorted(set(versions), reverse=True), "I3", f"listed {versions}")
        known = [self.committed[version].summary for version in versions if version in self.committed]
        check(known == told, "I3", f"listed {versions}")
        check(not deleted_before & set(versions), "I3", f"listed {versions}, deleted were {sorted(deleted_before)}")
        missing = told_before - set(versions) - self.deleted
        check(not missing, "I5", f"listed {versions}, missing are {sorted(missing)}")

    def found_newest(self, told: ModelVersion | None, *, since: int) -> None:
        """A reader was told the newest version, or that there is none; `since` is how many `newest` it had asked at."""
        version = told.version if told else 0
        check(told is None or self.committed.get(version) == told, "I3", f"the newest was told to be {told}")
        smallest = min(self.newest[since - 1 :])
        check(version >= smallest, "I5", f"{version} was told, and there was {smallest} or a newer one all the time")

    def ended(self) -> None:
        """All have stopped, and garbage was collected once more."""
        prefix = f"Projects/{PROJECT}/Models/"
        needed = {key for version in self.existing() for key in self._keys_of(version)}
        needed |= {
            KEYS.artifact_files(MODEL, version, number) + file.path
            for (version, number), files in self._artifact_files.items()
            if version not in self.deleted
            for file in files
        }
        stray = {key for key in self._store.objects if key.startswith(prefix)} - needed
        check(not stray, "I7", f"left are {sorted(stray)}")
        check(self.told.keys() <= self.committed.keys(), "I5", f"told were {self.told}")

    def _changed(self, key: str, content: bytes | None) -> None:
        if key.startswith(KEYS.numbers(MODEL)) and KEYS.is_manifest(key):
            self._manifest_changed(KEYS.number_of(key, MODEL), key, content)
        elif key.startswith(KEYS.references(MODEL)):
            check(content is not None and key not in self._seen, "I9", f"{key} was changed")
            self._entry_written(key, content or b"")
        elif key.startswith(f"{KEYS.registry}{MODEL}/a/"):
            check(content is not None and key not in self._seen, "I10", f"{key} was changed")
            self._artifact_entered(key, content or b"")

    def _manifest_changed(self, version: int, key: str, content: bytes | None) -> None:
        check(version not in self.committed, "I5", f"the manifest of version {version} was changed")
        if content is None:
            return
        record = json.loads(content)
        if record["state"] == ManifestState.ABORTED:
            self.aborted.add(version)
            return
        check(version not in self.aborted, "I6", f"version {version} was given up, and committed")
        model = ModelVersion.from_json(key, record)
        assert model is not None
        self.committed[version] = model
        self._check_one_version_per_key()

    def _check_one_version_per_key(self) -> None:
        claims = {version: self._store.objects.get(KEYS.claim(MODEL, version), b"{}") for version in self.committed}
        used = [key for claim in claims.values() if (key := json.loads(claim).get("idempotency"))]
        check(len(used) == len(set(used)), "I12", f"of versions {sorted(claims)} two have one key")

    def _entry_written(self, key: str, content: bytes) -> None:
        record: dict[str, Any] = json.loads(content)
        expected = KEYS.references(MODEL) + inverted(len(self.states)) + ".json"
        check(key == expected, "I9", f"entry {key} follows entry {len(self.reasons)}")
        check(record["prev_sha256"] == self._last_sha256, "I9", f"{key} does not follow from the one before")
        state = References.from_json(record["body"])
        reason = record["actor"] + record["body"]["reason"]
        check(reason not in self.reasons, "I9", f"{reason!r} was done twice")
        check(self.deleted <= state.deleted, "I9", "a deletion was undone")
        pinned = {pin.version for pins in state.pins.values() for pin in pins}
        targets = pinned.union(state.aliases.values())
        check(targets <= self.committed.keys(), "I8", f"{reason!r} points to {targets}: not committed")
        check(not targets & state.deleted, "I8", f"{reason!r} points to {targets}: deleted are {state.deleted}")
        self.states.append(state)
        self.reasons.append(reason)
        self._last_sha256 = sha256_of(content)

    def _artifact_entered(self, key: str, content: bytes) -> None:
        version, _, name = key.removeprefix(f"{KEYS.registry}{MODEL}/a/").partition("/")
        place = int(version), int(inverted(int(name.removesuffix(".json"))))
        body = json.loads(content)["body"]
        check((place[0], body["digest"]) not in self._entered, "I10", f"{body['digest']} has two numbers")
        self._entered[place[0], body["digest"]] = place[1]
        check(place[1] == 1 or (place[0], place[1] - 1) in self._artifact_files, "I10", f"gap before {place}")
        fields = ("path", "size", "sha256")
        files = tuple(FileEntry(*(record[field] for field in fields)) for record in body["files"])
        self._artifact_files[place] = files

    def _check_files(self) -> None:
        for version in self.existing():
            prefix = KEYS.model_files(MODEL, version)
            self._check_present("I2", prefix, self.committed[version].files)
        for version, number in self._told_artifacts:
            if version not in self.deleted:
                files = self._artifact_files[version, number]
                self._check_present("I11", KEYS.artifact_files(MODEL, version, number), files)

    def _check_present(self, invariant: str, prefix: str, files: tuple[FileEntry, ...]) -> None:
        for file in files:
            content = self._store.objects.get(prefix + file.path)
            check(content is not None, invariant, f"{prefix}{file.path} is missing")
            check(sha256_of(content or b"") == file.sha256, invariant, f"{prefix}{file.path} is another's")

    def _keys_of(self, version: int) -> list[str]:
        return [KEYS.model_files(MODEL, version) + file.path for file in self.committed[version].files]
