from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from moorage.errors import IntegrityError
from moorage.predictor import ModelSource
from moorage.registry.keys import Keys
from moorage.registry.record import ModelVersion
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore

MakeSource = Callable[..., ModelSource]
FILES = {"a": "one", "sub/b": "two", "sub/empty": "", ".hidden": "three"}
PREFIX = Keys("demo").model_files("iris", 1)


class CountingStore(DirectoryStore):
    """Counts what is read below Files/."""

    reads = 0

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.reads += "/Files/" in key
        return super().get(key, start=start, length=length)


@pytest.fixture
def model(registry: Registry, make_source: MakeSource) -> ModelVersion:
    return registry.publish("iris", make_source(FILES)).model


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "pod" / "files"


def contents(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


def test_a_download_is_the_folder_that_training_saved(registry: Registry, model: ModelVersion, target: Path) -> None:
    registry.download_model(model, target)
    assert contents(target) == FILES
    assert os.listdir(target.parent) == [target.name]


def test_a_folder_that_holds_the_files_already_is_kept(
    registry: Registry, model: ModelVersion, root: Path, target: Path
) -> None:
    registry.download_model(model, target)
    before = target.stat().st_ino
    store = CountingStore(root)
    Registry(store, "demo").download_model(model, target)
    assert (store.reads, target.stat().st_ino) == (0, before)


def change(folder: Path) -> None:
    (folder / "a").write_text("ONE")


def add(folder: Path) -> None:
    (folder / "more").write_text("")


def remove(folder: Path) -> None:
    (folder / "sub" / "empty").unlink()


def link(folder: Path) -> None:
    (folder / "a").unlink()
    (folder / "a").symlink_to(folder / "sub" / "b")


@pytest.mark.parametrize("spoil", [change, add, remove, link])
def test_a_folder_that_differs_is_replaced(
    registry: Registry, model: ModelVersion, target: Path, spoil: Callable[[Path], None]
) -> None:
    registry.download_model(model, target)
    spoil(target)
    registry.download_model(model, target)
    assert contents(target) == FILES
    assert not (target / "a").is_symlink()
    assert os.listdir(target.parent) == [target.name]


def test_an_empty_folder_a_file_and_a_link_are_replaced(
    registry: Registry, model: ModelVersion, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("file", "link", "folder"):
        registry.download_model(model, tmp_path / name)
        assert contents(tmp_path / name) == FILES
        assert not (tmp_path / name).is_symlink()


def test_a_tampered_object_is_named_with_both_digests_and_nothing_is_left(
    registry: Registry, model: ModelVersion, root: Path, target: Path
) -> None:
    (root / PREFIX / "sub" / "b").write_text("TWO")
    found, expected = (hashlib.sha256(text).hexdigest() for text in (b"TWO", b"two"))
    with pytest.raises(IntegrityError, match=f"'{PREFIX}sub/b' is not what was published.*{found}.*{expected}"):
        registry.download_model(model, target)
    assert os.listdir(target.parent) == []


def test_a_missing_object_is_named_and_what_was_there_stays(
    registry: Registry, model: ModelVersion, root: Path, target: Path
) -> None:
    target.mkdir(parents=True)
    (target / "old").write_text("old")
    (root / PREFIX / "sub" / "b").unlink()
    with pytest.raises(IntegrityError, match=f"'{PREFIX}sub/b' is missing"):
        registry.download_model(model, target)
    assert contents(target) == {"old": "old"}


def test_downloads_to_one_target_at_once_all_end_with_the_files(
    registry: Registry, model: ModelVersion, target: Path
) -> None:
    failures: list[BaseException] = []

    def download() -> None:
        try:
            registry.download_model(model, target)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=download) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failures, contents(target)) == ([], FILES)
    assert os.listdir(target.parent) == [target.name]
