"""Artifact versions with further files: modules, packages and tables that the script needs beside it."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from moorage.errors import CallerError, IntegrityError, InvalidName, NotFound
from moorage.predictor import ModelSource
from moorage.registry.artifact_content import MAX_INLINE_BYTES
from moorage.registry.artifact_files import (
    MAX_FURTHER_BYTES,
    MAX_FURTHER_FILES,
    ArtifactFiles,
    find_further_files,
)
from moorage.registry.artifacts import ArtifactVersion
from moorage.registry.keys import Keys
from moorage.registry.record import ModelVersion
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore

MakeSource = Callable[..., ModelSource]
Build = Callable[..., ArtifactVersion]
KEYS = Keys("demo")
FILES = {
    "predictor.py": "import features",
    "words.txt": "one",
    "features/__init__.py": "",
    "features/deep/er.py": "x=1",
}


class InterruptedStore(DirectoryStore):
    """Its user is interrupted when the artifact file `features/deep/er.py` should be written."""

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if "/Artifacts/" in key and key.endswith("er.py"):
            raise KeyboardInterrupt
        return super().put_if_absent(key, body)


@pytest.fixture
def model(registry: Registry, make_source: MakeSource) -> ModelVersion:
    return registry.publish("iris", make_source({"a": "one"})).model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A script, and what lies beside it."""
    for path, text in FILES.items():
        (tmp_path / "fraud" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fraud" / path).write_text(text)
    return tmp_path / "fraud"


@pytest.fixture
def build(registry: Registry, model: ModelVersion, folder: Path) -> Build:
    """Builds from the script and these further files."""

    def build(*further: str, script: str = "predictor.py") -> ArtifactVersion:
        files = ArtifactFiles(folder / script, further=tuple(folder / path for path in further))
        return registry.build_artifact_version(model, files).artifact

    return build


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def refusal(*further: Path, script: Path | None = None) -> str:
    with pytest.raises(CallerError, match="Further files cannot be delivered") as refused:
        find_further_files(ArtifactFiles(script, further=further))
    return str(refused.value)


def test_they_lie_beside_the_script_folders_with_all_below_them(
    registry: Registry, build: Build, tmp_path: Path
) -> None:
    artifact = build("features", "words.txt")
    assert artifact.further_files == ("features/__init__.py", "features/deep/er.py", "words.txt")
    assert registry.get_artifact_version("iris", 1, 1) == artifact
    registry.download_artifact(artifact, tmp_path / "down")
    assert contents(tmp_path / "down") == FILES


def test_the_same_files_have_the_same_number_in_whatever_order_they_are_given(build: Build) -> None:
    assert [build("features", "words.txt").version, build("words.txt", "features").version] == [1, 1]


def test_content_path_and_role_each_make_another_version(build: Build, folder: Path) -> None:
    versions = [build("words.txt").version, build().version, build("features/__init__.py").version]
    (folder / "words.txt").write_text("two")
    versions.append(build("words.txt").version)
    versions.append(build("predictor.py", script="words.txt").version)
    (folder / "features" / "words.txt").write_text("two")
    versions.append(build("features").version)
    assert versions == [1, 2, 3, 4, 5, 6]


def test_what_python_leaves_beside_modules_is_left_out(build: Build, folder: Path) -> None:
    before = build("features")
    for cache in (folder / "features" / "__pycache__", folder / "features" / "deep" / "__pycache__"):
        cache.mkdir()
        (cache / "er.cpython-311.pyc").write_bytes(b"\0")
    assert build("features") == before


def test_an_artifact_version_may_be_of_further_files_alone(
    registry: Registry, model: ModelVersion, folder: Path
) -> None:
    artifact = registry.build_artifact_version(model, ArtifactFiles(further=(folder / "words.txt",))).artifact
    assert (artifact.version, artifact.script_file, artifact.further_files) == (1, None, ("words.txt",))


def test_all_that_cannot_be_delivered_is_told_at_once_and_nothing_is_written(
    registry: Registry, store: DirectoryStore, model: ModelVersion, folder: Path
) -> None:
    before = list(store.list(""))
    (folder / "features" / "link").symlink_to("/etc/hostname")
    os.mkfifo(folder / "pipe")
    (folder / "empty" / "__pycache__").mkdir(parents=True)
    (folder / "empty" / "__pycache__" / "a.pyc").touch()
    further = ("features", "pipe", "empty", "nowhere.py", "words.txt/x", "..", "a\0b", "predictor.py")
    files = ArtifactFiles(folder / "predictor.py", further=tuple(folder / path for path in further))
    with pytest.raises(CallerError, match=r"copy in what links point to, and rename or leave out the rest") as refused:
        registry.build_artifact_version(model, files)
    for told in (
        "'features/link' is a symbolic link",
        "'pipe' is neither a file nor a folder",
        "empty' holds no file to deliver",
        "nowhere.py' is not there",
        "words.txt/x' is not there",
        "/..' has no name",
        "cannot be looked at: embedded null byte",
        "'predictor.py' would be there twice",
    ):
        assert told in str(refused.value)
    assert list(store.list("")) == before


def test_a_link_that_is_named_itself_is_followed(build: Build, folder: Path, tmp_path: Path) -> None:
    (folder / "shared").symlink_to(folder / "features")
    (folder / "table.txt").symlink_to(folder / "words.txt")
    assert build("shared", "table.txt").further_files == ("shared/__init__.py", "shared/deep/er.py", "table.txt")


def test_two_files_at_one_path_are_refused_also_when_they_come_from_two_folders(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "words.txt").touch()
    assert "'words.txt' would be there twice" in refusal(folder / "words.txt", folder / "deep" / "words.txt")


def test_a_name_that_differs_from_the_scripts_only_in_case_is_refused(folder: Path) -> None:
    (folder / "Predictor.py").touch()
    told = refusal(folder / "Predictor.py", script=folder / "predictor.py")
    assert "'predictor.py' and 'Predictor.py' are one name on macOS and Windows" in told


def test_script_and_configuration_file_whose_names_differ_only_in_case_are_refused(
    registry: Registry, model: ModelVersion, folder: Path
) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "Predictor.py").touch()
    with pytest.raises(InvalidName, match=r"both called 'predictor.py', but for case.*Rename one"):
        registry.build_artifact_version(model, ArtifactFiles(folder / "predictor.py", folder / "deep" / "Predictor.py"))


def test_what_is_too_large_belongs_among_the_model_files(folder: Path) -> None:
    with (folder / "features" / "weights").open("wb") as weights:
        weights.truncate(MAX_FURTHER_BYTES)
    assert len(find_further_files(ArtifactFiles(further=(folder / "features" / "weights",)))) == 1
    told = refusal(folder / "features")
    assert (
        "they are 1,073,741,827 bytes, more than 1,073,741,824: what is so large belongs among the model files" in told
    )


def test_too_many_files_belong_into_the_environment(folder: Path) -> None:
    for number in range(MAX_FURTHER_FILES - 1):
        (folder / "features" / f"{number}").touch()
    assert "more than 2,000 files: such a library belongs into the environment" in refusal(folder / "features")


@pytest.fixture
def bottomless(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder deeper than Python's stack, taken away again: what pytest removes folders with is not that deep."""
    monkeypatch.chdir(folder)
    for _ in range(1100):
        os.mkdir("d")
        os.chdir("d")
    Path("leaf").touch()
    yield folder / "d"
    Path("leaf").unlink()
    for _ in range(1100):
        os.chdir("..")
        os.rmdir("d")


def test_a_folder_deeper_than_pythons_stack_is_told_as_a_path_too_long(bottomless: Path) -> None:
    assert "is longer than" in refusal(bottomless)


def test_the_entry_holds_small_files_and_the_rest_is_staged(
    registry: Registry, store: DirectoryStore, build: Build, folder: Path, tmp_path: Path
) -> None:
    for number in range(5):
        (folder / "features" / f"{number}.txt").write_text(f"{number}" * (MAX_INLINE_BYTES // 3))
    artifact = build("features")
    (entry,) = store.list(KEYS.artifact_log("iris", 1))
    assert MAX_INLINE_BYTES * 2 / 3 < entry.size < MAX_INLINE_BYTES * 4 / 3 + 4000
    assert len(list(store.list(f"{KEYS.registry}iris/s/"))) == 3
    registry.download_artifact(artifact, tmp_path / "down")
    assert contents(tmp_path / "down" / "features") == contents(folder / "features")


def test_a_large_file_passes_in_pieces(build: Build, folder: Path) -> None:
    with (folder / "table.bin").open("wb") as table:
        table.truncate(64 << 20)
    build()
    tracemalloc.start()
    try:
        build("table.bin")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_what_an_interrupted_builder_left_is_completed(
    registry: Registry, model: ModelVersion, root: Path, folder: Path, tmp_path: Path
) -> None:
    files = ArtifactFiles(folder / "predictor.py", further=(folder / "features", folder / "words.txt"))
    with pytest.raises(KeyboardInterrupt):
        Registry(InterruptedStore(root), "demo").build_artifact_version(model, files)
    registry.download_artifact(registry.get_artifact_version("iris", 1, 1), tmp_path / "down")
    assert contents(tmp_path / "down") == FILES


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("tampered"), Path.unlink], ids=["altered", "gone"])
def test_a_staged_file_that_was_spoilt_never_becomes_an_artifact_file(
    registry: Registry, store: DirectoryStore, model: ModelVersion, root: Path, folder: Path, spoil: Callable
) -> None:
    (folder / "features" / "deep" / "er.py").write_text("#" * (MAX_INLINE_BYTES + 1))
    files = ArtifactFiles(folder / "predictor.py", further=(folder / "features",))
    with pytest.raises(KeyboardInterrupt):
        Registry(InterruptedStore(root), "demo").build_artifact_version(model, files)
    (staged,) = store.list(f"{KEYS.registry}iris/s/")
    spoil(root / staged.key)
    with pytest.raises(
        IntegrityError, match=r"'features/deep/er.py' of model 'iris' version 1 (has sha256|is neither)"
    ):
        registry.get_artifact_version("iris", 1, 1)
    assert store.head(KEYS.artifact_files("iris", 1, 1) + "features/deep/er.py") is None


def test_a_further_file_that_changes_while_it_is_sent_makes_no_version_and_leaves_nothing_staged(
    store: DirectoryStore, registry: Registry, model: ModelVersion, root: Path, folder: Path
) -> None:
    class EditedMeanwhile(DirectoryStore):
        def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
            (folder / "words.txt").write_text("edited")
            return super().put_if_absent(key, body)

    for name in ("before.txt", "words.txt"):
        (folder / name).write_text("#" * (MAX_INLINE_BYTES + 1))
    files = ArtifactFiles(further=(folder / "before.txt", folder / "words.txt"))
    with pytest.raises(CallerError, match=r"words.txt' changed while it was read"):
        Registry(EditedMeanwhile(root), "demo").build_artifact_version(model, files)
    with pytest.raises(NotFound, match="It has 0 only"):
        registry.get_artifact_version("iris", 1, 1)
    assert list(store.list(f"{KEYS.registry}iris/s/")) == []


def test_a_wanted_version_with_another_further_file_is_refused(
    registry: Registry, model: ModelVersion, build: Build, folder: Path
) -> None:
    build("words.txt")
    files = ArtifactFiles(folder / "predictor.py", further=(folder / "features",))
    with pytest.raises(
        InvalidName, match=r"holds other files; script 'predictor.py' and further file 'features/__init"
    ):
        registry.build_artifact_version(model, files, wanted=1)
