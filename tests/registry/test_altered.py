"""What was altered in the store goes into no other version, and is not taken for what was published."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from moorage.errors import IntegrityError
from moorage.predictor import ModelSource
from moorage.registry.keys import Keys
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from tests.registry.checked import check_whole, publish

KEYS = Keys("demo")
WEIGHTS = KEYS.model_files("iris", 1) + "weights"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "weights").write_bytes(b"right")
    (tmp_path / "trained" / "words").write_bytes(b"many words")
    return tmp_path / "trained"


def write_over(store: ObjectStore, content: bytes) -> None:
    """Past the registry, as somebody may who has the keys."""
    # A disk tells times apart by the tick of its clock.
    time.sleep(0.05)
    store.delete(WEIGHTS)
    store.put_if_absent(WEIGHTS, content)


def test_an_altered_file_is_sent_to_the_next_version_and_not_copied(
    each_store: ObjectStore, folder: Path, tmp_path: Path
) -> None:
    publish(each_store, folder)
    write_over(each_store, b"wrong")
    published = publish(each_store, folder, description="another")
    assert (published.model.version, published.sent, published.copied) == (2, len(b"right"), len(b"many words"))
    check_whole(each_store, published.model, folder, tmp_path / "down")


@pytest.mark.parametrize("content", [b"wrong", b"longer", None])
def test_publishing_the_same_again_mends_what_was_altered_or_lost(
    each_store: ObjectStore, folder: Path, tmp_path: Path, content: bytes | None
) -> None:
    publish(each_store, folder)
    if content is None:
        each_store.delete(WEIGHTS)
    else:
        write_over(each_store, content)
    published = publish(each_store, folder)
    assert (published.model.version, published.reused, published.copied) == (2, False, len(b"many words"))
    check_whole(each_store, published.model, folder, tmp_path / "down")
    assert publish(each_store, folder).reused


def test_what_was_written_once_more_is_still_the_same(each_store: ObjectStore, folder: Path) -> None:
    publish(each_store, folder)
    write_over(each_store, b"right")
    assert publish(each_store, folder).reused


def test_an_altered_version_is_not_published_under_another_name(each_store: ObjectStore, folder: Path) -> None:
    publish(each_store, folder)
    write_over(each_store, b"wrong")
    registry = Registry(each_store, "demo")
    with pytest.raises(IntegrityError, match=r"weights' is not what was published: it has 5 bytes, sha256"):
        registry.publish("rose", ModelSource(path="Projects/demo/Models/iris/1"))
    assert registry.models() == ["iris"]
