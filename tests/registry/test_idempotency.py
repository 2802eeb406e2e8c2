from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from moorage.errors import CallerError, NotFound, StoreUnavailable
from moorage.predictor import ModelSource
from moorage.registry.access import Access
from moorage.registry.idempotency import Chain
from moorage.registry.keys import Keys
from moorage.registry.manifests import fence, state_of
from moorage.registry.record import ManifestState
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore

MakeSource = Callable[..., ModelSource]
KEYS = Keys("demo")
KEY = "flow run 7, register_model"


class AnswerLostAtCommit(DirectoryStore):
    """Commits, and does not say so."""

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        is_new = super().put_if_absent(key, body)
        if key.endswith("-manifest.json"):
            raise StoreUnavailable("The store did not answer.")
        return is_new


class DeadBeforeCommit(DirectoryStore):
    """Its user dies when it should commit: the number stands for the key, and is open."""

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if key.endswith("-manifest.json"):
            raise KeyboardInterrupt
        return super().put_if_absent(key, body)


def test_a_key_publishes_once_however_much_was_published_since(registry: Registry, make_source: MakeSource) -> None:
    source = make_source({"a": "one"})
    first = registry.publish("iris", source, idempotency_key=KEY)
    registry.publish("iris", make_source({"a": "two"}))
    again = registry.publish("iris", source, idempotency_key=KEY)
    assert (first.reused, again.reused, again.model) == (False, True, first.model)
    assert len(registry.versions("iris")) == 2


def test_other_keys_and_other_models_publish_their_own(registry: Registry, make_source: MakeSource) -> None:
    asked = [("iris", KEY), ("iris", "another"), ("iris", None), ("fraud", KEY)]
    told = [
        registry.publish(name, make_source({"a": str(number)}), idempotency_key=key).model.version
        for number, (name, key) in enumerate(asked)
    ]
    assert told == [1, 2, 3, 1]


def test_a_commit_whose_answer_was_lost_is_found_by_its_key(
    registry: Registry, root: Path, make_source: MakeSource
) -> None:
    source = make_source({"a": "one"})
    with pytest.raises(StoreUnavailable, match="did not answer"):
        Registry(AnswerLostAtCommit(root), "demo").publish("iris", source, idempotency_key=KEY)
    registry.publish("iris", make_source({"a": "two"}))
    published = registry.publish("iris", source, idempotency_key=KEY)
    assert (published.reused, published.model.version) == (True, 1)


def test_a_publisher_that_died_before_its_commit_is_fenced_by_the_next(
    registry: Registry, store: DirectoryStore, root: Path, make_source: MakeSource
) -> None:
    source = make_source({"a": "one"})
    with pytest.raises(KeyboardInterrupt):
        Registry(DeadBeforeCommit(root), "demo").publish("iris", source, idempotency_key=KEY)
    assert registry.publish("iris", source, idempotency_key=KEY).model.version == 2
    assert state_of(Access(store, KEYS), "iris", 1) is ManifestState.ABORTED


def test_a_version_found_by_its_content_stands_for_the_key_too(registry: Registry, make_source: MakeSource) -> None:
    source = make_source({"a": "one"})
    registry.publish("iris", source)
    assert registry.publish("iris", source, idempotency_key=KEY).model.version == 1
    registry.publish("iris", make_source({"a": "two"}))
    assert registry.publish("iris", source, idempotency_key=KEY).model.version == 1


def test_a_key_whose_version_was_deleted_publishes_no_other(registry: Registry, make_source: MakeSource) -> None:
    source = make_source({"a": "one"})
    registry.publish("iris", source, idempotency_key=KEY)
    registry.references("iris").delete(1, actor="ann")
    with pytest.raises(NotFound, match=r"Version 1 of model 'iris' was deleted on .* by ann"):
        registry.publish("iris", source, idempotency_key=KEY)


def test_an_empty_key_is_refused_before_anything_is_written(
    registry: Registry, root: Path, make_source: MakeSource
) -> None:
    with pytest.raises(CallerError, match="idempotency key is empty"):
        registry.publish("iris", make_source({"a": "one"}), idempotency_key="")
    assert not root.exists()


def test_publishers_with_one_key_at_once_are_told_one_version(registry: Registry, make_source: MakeSource) -> None:
    sources = [make_source({"a": str(number)}) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda source: registry.publish("iris", source, idempotency_key=KEY).model, sources))
    assert len({model.version for model in told}) == 1
    assert registry.versions("iris") == [told[0].summary]


def test_a_number_that_was_given_up_makes_room_in_the_chain(store: DirectoryStore) -> None:
    access = Access(store, KEYS)
    chain = Chain(access, "iris", KEY)
    assert chain.settled() is None
    assert chain.settle(1) == 1
    assert chain.settled() is None
    fence(access, "iris", 1, reason="test")
    assert (chain.settled(), chain.settle(2)) == (None, 2)


def test_any_text_is_a_key(registry: Registry, make_source: MakeSource) -> None:
    for number, key in enumerate(["../x", "a/b c", "ü\n", "x" * 5000], 1):
        published = registry.publish("iris", make_source({"a": str(number)}), idempotency_key=key)
        assert published.model.version == number
