from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from moorage.errors import NotFound, StoreRefused, StoreUnavailable
from moorage.predictor import ModelSource
from moorage.registry.access import Access, Manner
from moorage.registry.checkpoints import MAX_ROW_BYTES, newest_checkpoint, write_checkpoint
from moorage.registry.keys import Keys
from moorage.registry.manifests import fence
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore
from moorage.store.records import put_record

MakeSource = Callable[..., ModelSource]
KEYS = Keys("demo")


class CountingStore(DirectoryStore):
    """Counts the manifests that are read."""

    reads = 0

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.reads += key.endswith("-manifest.json")
        return super().get(key, start=start, length=length)


class CommittedOnceRead(DirectoryStore):
    """Shows version 3 open, once; then it is committed."""

    then: Callable[[], object] = staticmethod(lambda: None)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        try:
            return super().get(key, start=start, length=length)
        except NotFound:
            self.then()
            raise


class NoCheckpoints(DirectoryStore):
    """Does not answer when a checkpoint should be written."""

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if "/ckpt/" in key:
            raise StoreUnavailable("The store did not answer.")
        return super().put_if_absent(key, body)


class Undeletable(DirectoryStore):
    """Refuses to delete, as a bucket's policy may."""

    def delete(self, key: str) -> None:
        raise StoreRefused(f"Object {key!r} was not deleted: denied.")


class SupersededMeanwhile(DirectoryStore):
    """Shows a checkpoint that is gone when it is read, as often as it is told to."""

    times = 1

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        if "/ckpt/" in key and self.times > 0:
            self.times -= 1
            raise NotFound(f"There is no object {key!r}.")
        return super().get(key, start=start, length=length)


@pytest.fixture
def counting(root: Path) -> CountingStore:
    return CountingStore(root)


@pytest.fixture
def registry(counting: CountingStore) -> Registry:
    return Registry(counting, "demo", manner=Manner(checkpoint_every=4))


def publish(registry: Registry, make_source: MakeSource, numbers: range) -> None:
    for number in numbers:
        registry.publish("iris", make_source({"a": str(number)}, metrics={"x": number}))


def test_a_list_reads_what_came_after_the_newest_checkpoint(
    registry: Registry, counting: CountingStore, make_source: MakeSource
) -> None:
    publish(registry, make_source, range(9))
    counting.reads = 0
    listed = registry.versions("iris")
    assert counting.reads == 1
    assert [model.version for model in listed] == list(range(9, 0, -1))
    assert listed == [registry.get("iris", version).summary for version in range(9, 0, -1)]


def test_a_checkpoint_takes_over_what_the_one_before_holds(
    registry: Registry, counting: CountingStore, make_source: MakeSource
) -> None:
    publish(registry, make_source, range(12))
    checkpoint = newest_checkpoint(Access(counting, KEYS), "iris")
    assert (checkpoint.version, sorted(checkpoint.committed or {}), checkpoint.others) == (12, list(range(1, 13)), ())


def test_what_was_open_when_it_was_written_is_looked_up(
    registry: Registry, counting: CountingStore, make_source: MakeSource
) -> None:
    publish(registry, make_source, range(2))
    put_record(counting, KEYS.claim("iris", 3), {})
    publish(registry, make_source, range(3, 5))
    checkpoint = newest_checkpoint(Access(counting, KEYS), "iris")
    assert (checkpoint.version, checkpoint.others) == (4, (3,))
    late = registry.get("iris", 2).to_json() | {"version": 3}
    put_record(counting, KEYS.manifest("iris", 3), late)
    assert [model.version for model in registry.versions("iris")] == [5, 4, 3, 2, 1]


def test_what_is_committed_while_a_checkpoint_is_written_is_not_taken_for_given_up(
    registry: Registry, root: Path, make_source: MakeSource
) -> None:
    publish(registry, make_source, range(2))
    put_record(DirectoryStore(root), KEYS.claim("iris", 3), {})
    late = registry.get("iris", 2).to_json() | {"version": 3}
    store = CommittedOnceRead(root)
    store.then = lambda: put_record(DirectoryStore(root), KEYS.manifest("iris", 3), late)
    write_checkpoint(Access(store, KEYS, manner=Manner(threads=1)), "iris", 3)
    assert [model.version for model in registry.versions("iris")] == [3, 2, 1]


def test_a_number_that_was_given_up_is_settled(
    registry: Registry, counting: CountingStore, make_source: MakeSource
) -> None:
    publish(registry, make_source, range(2))
    put_record(counting, KEYS.claim("iris", 3), {})
    fence(Access(counting, KEYS), "iris", 3, reason="test")
    publish(registry, make_source, range(3, 5))
    checkpoint = newest_checkpoint(Access(counting, KEYS), "iris")
    assert (sorted(checkpoint.committed or {}), checkpoint.others) == ([1, 2, 4], ())


def test_a_version_that_says_very_much_is_read_by_itself(
    registry: Registry, counting: CountingStore, make_source: MakeSource
) -> None:
    metrics = {f"metric {number}": number for number in range(MAX_ROW_BYTES // 10)}
    registry.publish("iris", make_source({"a": "one"}, metrics=metrics))
    publish(registry, make_source, range(3))
    assert newest_checkpoint(Access(counting, KEYS), "iris").others == (1,)
    assert [model.version for model in registry.versions("iris")] == [4, 3, 2, 1]


def test_what_was_deleted_after_a_checkpoint_is_not_listed(registry: Registry, make_source: MakeSource) -> None:
    publish(registry, make_source, range(5))
    registry.references("iris").delete(2)
    assert [model.version for model in registry.versions("iris")] == [5, 4, 3, 1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        *map(gzip.compress, (b"{}", b"[]", b'{"version":4,"committed":{"version":[1]},"others":[]}', b"\xff")),
    ],
    ids=["empty", "not packed", "nothing", "a list", "a column alone", "no text"],
)
def test_a_checkpoint_that_is_none_is_ignored(
    registry: Registry, root: Path, make_source: MakeSource, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    publish(registry, make_source, range(4))
    (root / KEYS.checkpoint("iris", 4)).write_bytes(content)
    assert [model.version for model in registry.versions("iris")] == [4, 3, 2, 1]
    assert "A checkpoint of model 'iris' is ignored" in caplog.text


def test_the_newest_two_checkpoints_are_kept(
    registry: Registry, counting: CountingStore, make_source: MakeSource
) -> None:
    publish(registry, make_source, range(17))
    kept = [found.key for found in counting.list(KEYS.checkpoints("iris"))]
    assert kept == [KEYS.checkpoint("iris", 16), KEYS.checkpoint("iris", 12)]


def test_what_cannot_be_deleted_hinders_no_publisher(
    root: Path, make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(Undeletable(root), "demo", manner=Manner(checkpoint_every=1))
    publish(registry, make_source, range(3))
    assert len(registry.versions("iris")) == 3
    assert "Old checkpoints of model 'iris' stay" in caplog.text


def test_a_late_checkpoint_takes_the_place_of_no_newer_one(
    registry: Registry, counting: CountingStore, make_source: MakeSource
) -> None:
    publish(registry, make_source, range(4))
    write_checkpoint(Access(counting, KEYS), "iris", 3)
    assert [found.key for found in counting.list(KEYS.checkpoints("iris"))] == [KEYS.checkpoint("iris", 4)]


@pytest.mark.parametrize(("times", "version"), [(1, 4), (2, 4), (3, 0)])
def test_who_reads_a_checkpoint_that_was_just_superseded_looks_again(
    registry: Registry, root: Path, make_source: MakeSource, times: int, version: int
) -> None:
    publish(registry, make_source, range(5))
    store = SupersededMeanwhile(root)
    store.times = times
    assert newest_checkpoint(Access(store, KEYS), "iris").version == version
    assert len(Registry(store, "demo").versions("iris")) == 5


def test_checkpoints_may_vanish(registry: Registry, counting: CountingStore, make_source: MakeSource) -> None:
    publish(registry, make_source, range(5))
    counting.delete(KEYS.checkpoint("iris", 4))
    assert len(registry.versions("iris")) == 5
    write_checkpoint(Access(counting, KEYS), "iris", 5)
    assert json.loads(gzip.decompress(counting.get(KEYS.checkpoint("iris", 5))))["version"] == 5


def test_a_publisher_does_not_fail_for_a_checkpoint(
    root: Path, make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(NoCheckpoints(root), "demo", manner=Manner(checkpoint_every=1))
    publish(registry, make_source, range(2))
    assert len(registry.versions("iris")) == 2
    assert "No checkpoint of model 'iris' was written" in caplog.text


def test_a_long_list_of_numbers_is_whole_and_the_newest_among_many_dead_ones_is_found(
    registry: Registry, counting: CountingStore, make_source: MakeSource
) -> None:
    publish(registry, make_source, range(3))
    for version in range(4, 60):
        put_record(counting, KEYS.claim("iris", version), {})
    assert registry.get("iris").version == 3
    assert [model.version for model in registry.versions("iris")] == [3, 2, 1]
    assert len(registry.collect_garbage("iris", lease_s=0).freed) == 56
