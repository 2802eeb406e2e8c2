"""How versions are found beside whoever publishes and deletes, in the way of a directory and in that of S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moorage.errors import NotFound
from moorage.predictor import ModelSource
from moorage.registry.access import Access, Manner
from moorage.registry.keys import Keys
from moorage.registry.manifests import newest_number, numbers
from moorage.registry.registry import Registry
from moorage.store.base import ObjectInfo
from moorage.store.directory import DirectoryStore
from moorage.store.records import put_record
from tests.checker.memory import FolderStore, MemoryStore

MakeSource = Callable[..., ModelSource]
KEYS = Keys("demo")


class BeforeReferences(DirectoryStore):
    """Does something else, once, when the references log is looked at for the first time."""

    then: Callable[[], object] | None = None

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        if prefix.endswith("/r/") and self.then:
            then, self.then = self.then, None
            then()
        return super().list(prefix, limit=limit)


class CountingLists(DirectoryStore):
    """Counts the lists of claims and manifests."""

    lists = 0

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        self.lists += prefix.endswith("/v/")
        return super().list(prefix, limit=limit)


class CountingReads(DirectoryStore):
    """Counts what is read."""

    reads = 0

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.reads += 1
        return super().get(key, start=start, length=length)


@pytest.fixture(params=[MemoryStore, FolderStore])
def memory(request: pytest.FixtureRequest) -> MemoryStore:
    made = request.param()
    assert isinstance(made, MemoryStore)
    return made


def publish(registry: Registry, make_source: MakeSource, numbers: range) -> None:
    for number in numbers:
        registry.publish("iris", make_source({"a": str(number)}))


def test_what_took_the_place_of_a_deleted_version_is_the_newest(root: Path, make_source: MakeSource) -> None:
    others, store = Registry(DirectoryStore(root), "demo"), BeforeReferences(root)
    publish(others, make_source, range(2))

    def replace() -> None:
        publish(others, make_source, range(2, 3))
        others.references("iris").delete(2)

    store.then = replace
    assert Registry(store, "demo", manner=Manner(threads=1)).get("iris").version == 3


def test_a_version_that_is_deleted_while_it_is_looked_for_is_passed_over(root: Path, make_source: MakeSource) -> None:
    others, store = Registry(DirectoryStore(root), "demo"), BeforeReferences(root)
    publish(others, make_source, range(2))
    store.then = lambda: others.references("iris").delete(2)
    registry = Registry(store, "demo", manner=Manner(threads=1))
    assert registry.get("iris").version == 1
    registry.references("iris").delete(1)
    with pytest.raises(NotFound, match="no model 'iris'"):
        registry.get("iris")


def test_what_never_changes_is_read_once(root: Path, make_source: MakeSource) -> None:
    others, store = Registry(DirectoryStore(root), "demo"), CountingReads(root)
    publish(others, make_source, range(2))
    others.references("iris").move_aliases({"champion": 1})
    registry = Registry(store, "demo")
    found = [registry.get("iris").version for _ in range(3)]
    assert (found, store.reads) == ([2, 2, 2], 2)
    others.references("iris").delete(2)
    assert registry.get("iris").version == 1


@pytest.mark.parametrize("dead", [0, 1, 3, 10, 100])
def test_the_newest_version_is_found_below_any_number_of_dead_claims(
    memory: MemoryStore, make_source: MakeSource, dead: int
) -> None:
    registry = Registry(memory, "demo", manner=Manner(checkpoint_every=2))
    publish(registry, make_source, range(3))
    for version in range(4, 4 + dead):
        put_record(memory, KEYS.claim("iris", version), {})
    assert registry.get("iris").version == 3
    publish(registry, make_source, range(3, 4))
    assert registry.get("iris").version == 4 + dead
    assert [found.version for found in registry.versions("iris")] == [4 + dead, 3, 2, 1]


@pytest.mark.parametrize("count", [1, 4, 5, 33, 150])
def test_all_numbers_are_shown_once_newest_first(memory: MemoryStore, count: int) -> None:
    for version in range(1, count + 1):
        put_record(memory, KEYS.claim("iris", version), {})
    for version in range(1, count + 1, 3):
        put_record(memory, KEYS.manifest("iris", version), {})
    found = list(numbers(Access(memory, KEYS), "iris"))
    assert [number.version for number in found] == list(range(count, 0, -1))
    assert [number.version for number in found if number.settled] == list(range(1, count + 1, 3))[::-1]


def test_a_directory_is_not_listed_for_the_newest_number_once_there_is_a_checkpoint(
    root: Path, make_source: MakeSource
) -> None:
    store = CountingLists(root)
    registry = Registry(store, "demo", manner=Manner(checkpoint_every=2))
    publish(registry, make_source, range(3))
    store.lists = 0
    publish(registry, make_source, range(3, 6))
    assert (registry.get("iris").version, len(registry.versions("iris")), store.lists) == (6, 6, 0)


@pytest.mark.parametrize("key", [KEYS.checkpoint("iris", 99), KEYS.checkpoints("iris") + "0"])
def test_a_checkpoint_of_a_number_that_is_not_taken_leads_nobody_astray(
    memory: MemoryStore, make_source: MakeSource, key: str
) -> None:
    registry = Registry(memory, "demo", manner=Manner(checkpoint_every=2))
    publish(registry, make_source, range(3))
    memory.put_if_absent(key, b"")
    assert newest_number(Access(memory, KEYS), "iris") == 3
