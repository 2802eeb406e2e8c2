"""What a publish copies inside the store instead of sending it, and when it looks for that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from moorage.predictor import ModelSource
from moorage.registry.access import Manner
from moorage.registry.keys import Keys
from moorage.registry.record import Published
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from tests.registry.checked import check_whole, publish
from tests.registry.watched import Watched

KEYS = Keys("demo")
SIZE = 3000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of 20 files of one size."""
    for number in range(20):
        path = tmp_path / "trained" / f"{number % 3}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SIZE))
    return tmp_path / "trained"


def test_all_is_sent_the_first_time(each_store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    published = publish(each_store, folder)
    assert published == Published(published.model, reused=False, sent=20 * SIZE, copied=0)
    check_whole(each_store, published.model, folder, tmp_path / "down")


def test_nothing_is_sent_or_copied_when_nothing_is_new(watched_store: Watched, folder: Path) -> None:
    first = publish(watched_store, folder)
    watched_store.asked.clear()
    assert publish(watched_store, folder) == Published(first.model, reused=True, sent=0, copied=0)
    assert watched_store.count("put") == watched_store.count("copy") == 0


def test_with_another_record_the_same_files_are_copied(each_store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    publish(each_store, folder)
    published = publish(each_store, folder, description="another")
    assert published == Published(published.model, reused=False, sent=0, copied=20 * SIZE)
    check_whole(each_store, published.model, folder, tmp_path / "down")


def test_of_twenty_files_only_the_one_that_changed_is_sent(
    watched_store: Watched, folder: Path, tmp_path: Path
) -> None:
    publish(watched_store, folder)
    (folder / "0" / "3.bin").write_bytes(os.urandom(SIZE))
    watched_store.asked.clear()
    published = publish(watched_store, folder)
    assert (published.reused, published.sent, published.copied) == (False, SIZE, 19 * SIZE)
    assert [key for key in watched_store.asked if key.startswith("put") and "/Files/" in key] == [
        f"put {KEYS.model_files('iris', 2)}0/3.bin"
    ]
    check_whole(watched_store, published.model, folder, tmp_path / "down")


def test_a_file_of_another_name_is_copied(each_store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    publish(each_store, folder)
    (folder / "0" / "3.bin").rename(folder / "renamed.bin")
    published = publish(each_store, folder)
    assert (published.sent, published.copied) == (0, 20 * SIZE)
    check_whole(each_store, published.model, folder, tmp_path / "down")


def test_a_copy_outlives_the_version_that_it_was_made_from(
    each_store: ObjectStore, folder: Path, tmp_path: Path
) -> None:
    publish(each_store, folder)
    published = publish(each_store, folder, description="another")
    registry = Registry(each_store, "demo")
    registry.references("iris").delete(1)
    registry.collect_garbage("iris", lease_s=0)
    check_whole(each_store, published.model, folder, tmp_path / "down")


def test_what_vanishes_before_it_is_copied_is_sent(watched_store: Watched, folder: Path, tmp_path: Path) -> None:
    publish(watched_store, folder)
    source = KEYS.model_files("iris", 1) + "0/0.bin"
    watched_store.before(f"copy {source}", lambda: watched_store.delete(source))
    published = publish(watched_store, folder, description="another")
    assert (published.sent, published.copied) == (SIZE, 19 * SIZE)
    check_whole(watched_store, published.model, folder, tmp_path / "down")


def test_a_small_model_is_not_worth_looking_for_what_was_left(watched_store: Watched, folder: Path) -> None:
    publish(watched_store, folder)
    (folder / "0" / "3.bin").write_bytes(b"")
    watched_store.put_if_absent(KEYS.claim("iris", 2), b'{"owner": "", "host": "", "claimed_at": "", "lease_s": 1}')
    watched_store.asked.clear()
    publish(watched_store, folder)
    assert watched_store.count(f"get {KEYS.claim('iris', 2)}") == 0
    assert watched_store.count(f"list {KEYS.model_files('iris', 2)}") == 0


def test_a_large_model_is_compared_with_a_few_of_the_newest_versions(watched_store: Watched, folder: Path) -> None:
    manner = Manner(worth_looking=0)
    first = (folder / "0" / "0.bin").read_bytes()
    for content in (first, b"two", b"three", first):
        (folder / "0" / "0.bin").write_bytes(content)
        registry = Registry(watched_store, "demo", manner=manner)
        published = registry.publish("iris", ModelSource(path=str(folder)))
    assert (published.model.version, published.sent, published.copied) == (4, 0, 20 * SIZE)


def test_many_files_of_one_size_are_not_each_compared_with_all_that_was_left(
    watched_store: Watched, folder: Path
) -> None:
    for number in range(20):
        watched_store.put_if_absent(f"{KEYS.model_files('iris', 1)}other-{number}", os.urandom(SIZE))
    watched_store.put_if_absent(KEYS.manifest("iris", 1), b'{"state": "aborted"}')
    registry = Registry(watched_store, "demo", manner=Manner(worth_looking=0))
    assert registry.publish("iris", ModelSource(path=str(folder))).sent == 20 * SIZE
    assert 20 <= watched_store.count("compare") <= 20 * 8
