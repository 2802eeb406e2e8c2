from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from moorage.errors import CallerError, NotFound, StoreUnavailable
from moorage.predictor import ModelSource
from moorage.registry.access import Access
from moorage.registry.artifact_files import ArtifactFiles
from moorage.registry.garbage import Collected, Freed, FreedBecause
from moorage.registry.keys import Keys
from moorage.registry.manifests import state_of
from moorage.registry.record import ManifestState
from moorage.registry.references import Pin, with_pins
from moorage.registry.registry import Registry
from moorage.store.base import FinishedUpload, ObjectStore
from moorage.store.directory import DirectoryStore

MakeSource = Callable[..., ModelSource]
KEYS = Keys("demo")


class Dying(DirectoryStore):
    """Its user is killed when it should commit, and nothing of it cleans up."""

    is_dead = False

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        self.is_dead = self.is_dead or key.endswith("-manifest.json")
        if self.is_dead:
            raise KeyboardInterrupt
        return super().put_if_absent(key, body)


class FailingDeletes(DirectoryStore):
    """Does not answer when something should be deleted."""

    def delete(self, key: str) -> None:
        raise StoreUnavailable("The store did not answer.")


class SlowStore(DirectoryStore):
    """Garbage is collected just before the commit of its user, who is taken for dead."""

    is_slow = True

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if key.endswith("-manifest.json") and self.is_slow:
            self.is_slow = False
            Registry(DirectoryStore(self.root), "demo").collect_garbage("iris", lease_s=0)
        return super().put_if_absent(key, body)


class SlowUploads(DirectoryStore):
    """Garbage is collected between two files of its user."""

    sent = 0

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        is_new = super().put_if_absent(key, body)
        self.sent += "/Files/" in key
        if self.sent == 1 and "/Files/" in key:
            Registry(DirectoryStore(self.root), "demo").collect_garbage("iris", lease_s=0)
        return is_new


class CollectedWhileRead(DirectoryStore):
    """Repeats each write, as a client does whose first answer was lost; garbage is collected before that is read."""

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        content = body if isinstance(body, bytes) else body.read()
        super().put_if_absent(key, content)
        return super().put_if_absent(key, content)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        if key.startswith(KEYS.model_files("iris", 1)):
            Registry(DirectoryStore(self.root), "demo").collect_garbage("iris", lease_s=0)
        return super().get(key, start=start, length=length)


class UploadingInParts(DirectoryStore):
    """A store that holds parts of uploads that were never finished."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.aborted: list[str] = []

    def finish_upload(self, key: str, stream: BinaryIO) -> FinishedUpload | None:
        return None

    def abort_uploads(self, prefix: str) -> None:
        self.aborted.append(prefix)


def die_publishing(root: Path, source: ModelSource) -> None:
    with pytest.raises(KeyboardInterrupt):
        Registry(Dying(root), "demo").publish("iris", source)


def files_of(store: ObjectStore, version: int) -> list[str]:
    prefix = KEYS.version_files("iris", version)
    return [found.key.removeprefix(prefix) for found in store.list(prefix)]


def test_there_is_nothing_to_free_in_a_tidy_registry(registry: Registry, make_source: MakeSource) -> None:
    assert registry.collect_garbage() == Collected((), dry_run=False)
    registry.publish("iris", make_source({"a": "one"}))
    assert registry.collect_garbage(lease_s=0) == Collected((), dry_run=False)


def test_what_a_dead_publisher_left_is_freed_and_its_number_given_up(
    registry: Registry, store: DirectoryStore, root: Path, make_source: MakeSource
) -> None:
    die_publishing(root, make_source({"a": "one", "b": "three"}))
    assert files_of(store, 1) == ["Files/a", "Files/b"]
    collected = registry.collect_garbage(lease_s=0)
    assert collected.freed == (Freed("iris", 1, FreedBecause.ABANDONED, files=2, size=8),)
    assert (files_of(store, 1), collected.versions, collected.files, collected.size) == ([], 1, 2, 8)
    assert state_of(Access(store, KEYS), "iris", 1) is ManifestState.ABORTED
    assert registry.publish("iris", make_source({"a": "one"})).model.version == 2


def test_a_claim_within_its_lease_is_left_alone(
    registry: Registry, store: DirectoryStore, root: Path, make_source: MakeSource
) -> None:
    die_publishing(root, make_source({"a": "one"}))
    assert registry.collect_garbage().freed == ()
    assert registry.collect_garbage(lease_s=3600, now=time.time() + 3599).freed == ()
    assert files_of(store, 1) == ["Files/a"]
    assert registry.collect_garbage(lease_s=3600, now=time.time() + 3601).versions == 1


def test_a_dry_run_says_what_it_would_free_and_changes_nothing(
    registry: Registry, store: DirectoryStore, root: Path, make_source: MakeSource
) -> None:
    for number in range(3):
        registry.publish("iris", make_source({"a": str(number)}))
    die_publishing(root, make_source({"a": "four"}))
    before = list(store.list(""))
    collected = registry.collect_garbage(lease_s=0, keep=2, dry_run=True)
    assert list(store.list("")) == before
    assert [(item.version, item.because) for item in collected.freed] == [(4, "ABANDONED"), (1, "BEYOND_KEPT")]
    really = registry.collect_garbage(lease_s=0, keep=2)
    assert (really.freed, collected.dry_run, really.dry_run) == (collected.freed, True, False)


def test_files_that_a_delete_left_behind_are_freed(
    registry: Registry, store: DirectoryStore, root: Path, make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    registry.publish("iris", make_source({"a": "one"}))
    Registry(FailingDeletes(root), "demo").references("iris").delete(1)
    assert "version 1 is deleted, but files of it are left" in caplog.text
    assert registry.collect_garbage().freed == (Freed("iris", 1, FreedBecause.DELETED, files=1, size=3),)
    assert files_of(store, 1) == []


def test_what_a_zombie_sends_later_is_swept_on_the_next_run(
    registry: Registry, store: DirectoryStore, root: Path, make_source: MakeSource
) -> None:
    die_publishing(root, make_source({"a": "one"}))
    registry.collect_garbage(lease_s=0)
    store.put_if_absent(KEYS.model_files("iris", 1) + "late", b"late")
    assert registry.collect_garbage().files == 1
    assert registry.collect_garbage().freed == ()


def test_unfinished_uploads_of_a_number_that_was_given_up_are_aborted(root: Path, make_source: MakeSource) -> None:
    store = UploadingInParts(root)
    Registry(store, "demo").publish("iris", make_source({"a": "one"}))
    die_publishing(root, make_source({"a": "two"}))
    Registry(store, "demo").collect_garbage(lease_s=0, dry_run=True)
    assert store.aborted == []
    Registry(store, "demo").collect_garbage(lease_s=0)
    assert store.aborted == [KEYS.version_files("iris", 2)]


def test_a_publisher_that_was_taken_for_dead_takes_another_number(root: Path, make_source: MakeSource) -> None:
    registry = Registry(SlowStore(root), "demo")
    model = registry.publish("iris", make_source({"a": "one"})).model
    assert model.version == 2
    assert registry.verify("iris", 2) == model


def test_a_publisher_that_is_taken_for_dead_while_it_sends_takes_another_number(
    store: DirectoryStore, root: Path, make_source: MakeSource
) -> None:
    registry = Registry(SlowUploads(root), "demo")
    assert registry.publish("iris", make_source({"a": "one", "b": "two"})).model.version == 2
    assert files_of(store, 1) == []
    registry.verify("iris")


def test_the_same_holds_when_its_files_vanish_while_it_looks_at_them(root: Path, make_source: MakeSource) -> None:
    registry = Registry(CollectedWhileRead(root), "demo")
    assert registry.publish("iris", make_source({"a": "one"})).model.version == 2


def test_versions_beyond_those_kept_are_deleted_but_for_those_in_use(
    registry: Registry, store: DirectoryStore, make_source: MakeSource
) -> None:
    for number in range(6):
        registry.publish("iris", make_source({"a": str(number)}))
    registry.references("iris").move_aliases({"champion": 1})
    registry.references("iris").pin("fraud", {Pin(3, 0)})
    collected = registry.collect_garbage("iris", keep=2, actor="ann")
    assert [item.version for item in collected.freed] == [4, 2]
    assert [model.version for model in registry.versions("iris")] == [6, 5, 3, 1]
    assert (files_of(store, 2), files_of(store, 4)) == ([], [])
    entry = registry.references("iris").history()[-1]
    assert (entry.actor, entry.reason, sorted(entry.state.deleted)) == ("ann", "only the newest 2 are kept", [2, 4])


def test_what_the_caller_spares_is_not_deleted_and_only_asked_where_anything_would_be(
    registry: Registry, make_source: MakeSource
) -> None:
    for number in range(4):
        registry.publish("iris", make_source({"a": str(number)}))
    registry.publish("fraud", make_source({"a": "one"}))
    asked: list[str] = []

    def spare(name: str) -> set[int]:
        asked.append(name)
        return {2}

    collected = registry.collect_garbage(keep=1, spare=spare)
    assert ([item.version for item in collected.freed], asked) == ([3, 1], ["iris"])


def test_a_dry_run_reckons_with_the_references_as_they_will_be(registry: Registry, make_source: MakeSource) -> None:
    for number in range(3):
        registry.publish("iris", make_source({"a": str(number)}))
    registry.references("iris").pin("fraud", {Pin(1, 0)})
    foreseen = registry.collect_garbage(
        keep=1, dry_run=True, foresee=lambda _, state: with_pins(state, "fraud", {Pin(2, 0)})
    )
    assert [item.version for item in foreseen.freed] == [1]


def test_a_model_that_never_was_has_no_garbage_and_is_told(registry: Registry, make_source: MakeSource) -> None:
    registry.publish("fraud", make_source({"a": "one"}))
    with pytest.raises(NotFound, match=r"There is no model 'frauds'.*It has 'fraud'"):
        registry.collect_garbage("frauds")


def test_artifact_files_go_with_their_version(
    registry: Registry, store: DirectoryStore, make_source: MakeSource, tmp_path: Path
) -> None:
    model = registry.publish("iris", make_source({"a": "one"})).model
    (tmp_path / "predictor.py").write_text("#")
    registry.build_artifact_version(model, ArtifactFiles(tmp_path / "predictor.py"))
    assert files_of(store, 1) == ["Artifacts/1/predictor.py", "Files/a"]
    registry.references("iris").delete(1)
    assert files_of(store, 1) == []


@pytest.mark.parametrize("lease_s", [-1, float("nan")])
def test_a_lease_is_a_time(registry: Registry, make_source: MakeSource, lease_s: float) -> None:
    registry.publish("iris", make_source({"a": "one"}))
    with pytest.raises(CallerError, match=f"lease_s is {lease_s}. It is a time in seconds"):
        registry.collect_garbage(lease_s=lease_s)


@pytest.mark.parametrize("keep", [0, -1])
def test_at_least_one_version_is_kept(registry: Registry, make_source: MakeSource, keep: int) -> None:
    registry.publish("iris", make_source({"a": "one"}))
    with pytest.raises(CallerError, match=f"keep is {keep}. The newest version is always kept"):
        registry.collect_garbage(keep=keep)


def test_all_models_are_collected_unless_one_is_named(registry: Registry, root: Path, make_source: MakeSource) -> None:
    die_publishing(root, make_source({"a": "one"}))
    registry.publish("fraud", make_source({"a": "one"}))
    registry.publish("fraud", make_source({"a": "two"}))
    assert registry.collect_garbage("fraud", lease_s=0).versions == 0
    collected = registry.collect_garbage(lease_s=0, keep=1)
    assert [(item.model, item.version) for item in collected.freed] == [("fraud", 1), ("iris", 1)]
