from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from moorage.errors import IntegrityError, NotFound
from moorage.predictor import ModelSource
from moorage.registry.keys import Keys
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore

MakeSource = Callable[..., ModelSource]
KEYS = Keys("demo")
FILES = KEYS.model_files("iris", 1)


class DeletedMeanwhile(DirectoryStore):
    """Somebody deletes version 1 when the first of its files is read."""

    is_deleted = False

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        if "/Files/" in key and not self.is_deleted:
            self.is_deleted = True
            Registry(DirectoryStore(self.root), "demo").references("iris").delete(1, actor="ann")
        return super().get(key, start=start, length=length)


def test_a_version_whose_every_byte_is_as_published_is_told(registry: Registry, make_source: MakeSource) -> None:
    model = registry.publish("iris", make_source({"a": "one", "empty": "", "sub/b": "two"})).model
    assert registry.verify("iris") == registry.verify("iris", 1) == model


def test_every_file_at_fault_is_named_with_both_digests(
    registry: Registry, root: Path, make_source: MakeSource
) -> None:
    registry.publish("iris", make_source({"altered": "one", "short": "three", "long": "a", "gone": "x", "fine": "y"}))
    for path, text in {"altered": "two", "short": "thr", "long": "aa", "stray": "z"}.items():
        (root / FILES / path).write_text(text)
    (root / FILES / "gone").unlink()
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"one", b"two"))
    with pytest.raises(IntegrityError, match="'iris' version 1 is not what was published") as caught:
        registry.verify("iris", 1)
    told = str(caught.value)
    assert f"'altered' was altered, it was published with 3 bytes, sha256 {one}, and has 3 bytes, sha256 {two}" in told
    assert "'short' is short, it was published with 5 bytes" in told
    assert "'long' is too long, it was published with 1 bytes" in told
    assert "'gone' is missing, it was published with 1 bytes" in told
    assert "'stray' is not among its files" in told
    assert "fine" not in told


def test_the_manifest_is_read_again_too(registry: Registry, root: Path, make_source: MakeSource) -> None:
    registry.publish("iris", make_source({"a": "one"}))
    registry.get("iris")
    (root / KEYS.manifest("iris", 1)).write_text("{}")
    with pytest.raises(IntegrityError, match=r"-manifest.json' is not a record"):
        registry.verify("iris")


def test_a_version_without_any_file_left_is_named(registry: Registry, root: Path, make_source: MakeSource) -> None:
    registry.publish("iris", make_source({"a": "one"}))
    shutil.rmtree(root / FILES)
    with pytest.raises(IntegrityError, match="'a' is missing"):
        registry.verify("iris")


def test_a_version_that_is_deleted_while_it_is_read_is_said_to_be_deleted(
    root: Path, make_source: MakeSource, tmp_path: Path
) -> None:
    model = Registry(DirectoryStore(root), "demo").publish("iris", make_source({"a": "one", "b": "two"})).model
    with pytest.raises(NotFound, match=r"Version 1 of model 'iris' was deleted on .* by ann"):
        Registry(DeletedMeanwhile(root), "demo").download_model(model, tmp_path / "down")
    assert not (tmp_path / "down").exists()


def test_the_same_holds_while_it_is_verified(root: Path, make_source: MakeSource) -> None:
    Registry(DirectoryStore(root), "demo").publish("iris", make_source({"a": "one", "b": "two"}))
    with pytest.raises(NotFound, match=r"Version 1 of model 'iris' was deleted on .* by ann"):
        Registry(DeletedMeanwhile(root), "demo").verify("iris", 1)
