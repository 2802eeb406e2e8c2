from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from moorage.errors import CallerError, IntegrityError, InvalidName, NotFound
from moorage.predictor import ModelSource
from moorage.registry.artifact_content import MAX_INLINE_BYTES
from moorage.registry.artifact_files import ArtifactFiles
from moorage.registry.artifacts import ArtifactVersion
from moorage.registry.keys import Keys
from moorage.registry.record import ModelVersion
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore

MakeSource = Callable[..., ModelSource]
KEYS = Keys("demo")

BUILDER = """
import sys
from pathlib import Path
from moorage.registry.artifact_files import ArtifactFiles
from moorage.registry.registry import Registry
from moorage.store import open_store
registry = Registry(open_store(sys.argv[1]), "demo")
for number in range(8):
    script = Path(sys.argv[2]) / "predictor.py"
    script.write_text(f"# {number}")
    print(registry.build_artifact_version(registry.get("iris"), ArtifactFiles(script)).artifact.version)
"""


class InterruptedStore(DirectoryStore):
    """Its user is interrupted when the first artifact file should be written: the entry is there, the files are not."""

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if "/Artifacts/" in key:
            raise KeyboardInterrupt
        return super().put_if_absent(key, body)


class RivalledStore(DirectoryStore):
    """Somebody else does something just before the first artifact is entered; `rival` says what."""

    rival: Callable[[], object] | None = None

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if "/a/" in key and self.rival is not None:
            rival, self.rival = self.rival, None
            rival()
        return super().put_if_absent(key, body)


@pytest.fixture
def model(registry: Registry, make_source: MakeSource) -> ModelVersion:
    return registry.publish("iris", make_source({"a": "one"})).model


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return write(tmp_path / "predictor.py", "class Predictor: ...")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write(tmp_path / "config.yaml", "threads: 2")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_without_files_it_is_version_0_and_nothing_is_written(
    registry: Registry, store: DirectoryStore, model: ModelVersion
) -> None:
    before = list(store.list(""))
    for wanted in (None, 0):
        built = registry.build_artifact_version(model, ArtifactFiles(), wanted=wanted)
        assert built.artifact == ArtifactVersion("iris", 1, 0, digest="", script_file=None, config_file=None, files=())
    assert list(store.list("")) == before
    assert registry.get_artifact_version("iris", 1, 0) == built.artifact


def test_files_become_version_1_and_lie_in_its_folder(
    registry: Registry, store: DirectoryStore, model: ModelVersion, script: Path, config: Path
) -> None:
    built = registry.build_artifact_version(model, ArtifactFiles(script, config), actor="ann")
    artifact = built.artifact
    assert (built.reused, artifact.version, artifact.digest[:7]) == (False, 1, "sha256:")
    assert (artifact.script_file, artifact.config_file) == ("predictor.py", "config.yaml")
    prefix = KEYS.artifact_files("iris", 1, 1)
    assert [found.key for found in store.list(prefix)] == [f"{prefix}config.yaml", f"{prefix}predictor.py"]
    assert registry.get_artifact_version("iris", 1, 1) == artifact


def test_the_same_files_have_the_same_number_wherever_they_lie(
    registry: Registry, model: ModelVersion, script: Path, tmp_path: Path
) -> None:
    first = registry.build_artifact_version(model, ArtifactFiles(script))
    copy = write(tmp_path / "elsewhere" / "predictor.py", script.read_text())
    again = registry.build_artifact_version(model, ArtifactFiles(copy))
    assert (again.reused, again.artifact) == (True, first.artifact)


def test_content_name_and_role_each_make_another_version(
    registry: Registry, model: ModelVersion, script: Path, tmp_path: Path
) -> None:
    text = script.read_text()
    variants = [
        ArtifactFiles(script),
        ArtifactFiles(write(tmp_path / "b" / "predictor.py", text + "\n")),
        ArtifactFiles(write(tmp_path / "c" / "other.py", text)),
        ArtifactFiles(None, script),
    ]
    assert [registry.build_artifact_version(model, files).artifact.version for files in variants] == [1, 2, 3, 4]
    assert [registry.build_artifact_version(model, files).artifact.version for files in variants] == [1, 2, 3, 4]


def test_each_model_version_counts_its_own(
    registry: Registry, model: ModelVersion, script: Path, config: Path, make_source: MakeSource
) -> None:
    registry.build_artifact_version(model, ArtifactFiles(script))
    second = registry.publish("iris", make_source({"a": "two"})).model
    assert registry.build_artifact_version(second, ArtifactFiles(config)).artifact.version == 1
    assert registry.build_artifact_version(model, ArtifactFiles(config)).artifact.version == 2


def test_a_later_edit_of_the_script_changes_no_version(
    registry: Registry, model: ModelVersion, script: Path, tmp_path: Path
) -> None:
    artifact = registry.build_artifact_version(model, ArtifactFiles(script)).artifact
    script.write_text("edited")
    registry.download_artifact(artifact, tmp_path / "down")
    assert (tmp_path / "down" / "predictor.py").read_text() == "class Predictor: ..."


def test_a_wanted_version_is_used_as_it_is_or_with_the_same_files(
    registry: Registry, model: ModelVersion, script: Path, config: Path
) -> None:
    first = registry.build_artifact_version(model, ArtifactFiles(script)).artifact
    registry.build_artifact_version(model, ArtifactFiles(config))
    for files in (ArtifactFiles(), ArtifactFiles(script)):
        built = registry.build_artifact_version(model, files, wanted=1)
        assert (built.reused, built.artifact) == (True, first)


def test_a_wanted_version_with_other_files_is_refused(
    registry: Registry, model: ModelVersion, script: Path, config: Path
) -> None:
    registry.build_artifact_version(model, ArtifactFiles(script))
    for files in (ArtifactFiles(config), ArtifactFiles(script, config)):
        with pytest.raises(InvalidName, match=r"version 1 of model 'iris' version 1 holds other.*cannot be modified"):
            registry.build_artifact_version(model, files, wanted=1)


def test_version_0_takes_no_files(registry: Registry, model: ModelVersion, script: Path) -> None:
    with pytest.raises(InvalidName, match=r"has no files, but script 'predictor.py' is given.*Leave the artifact"):
        registry.build_artifact_version(model, ArtifactFiles(script), wanted=0)


@pytest.mark.parametrize("wanted", [2, 7, -1])
def test_a_wanted_version_that_does_not_exist_is_refused(
    registry: Registry, model: ModelVersion, script: Path, wanted: int
) -> None:
    with pytest.raises(NotFound, match=f"no artifact version {wanted} of .*It has 0 only"):
        registry.build_artifact_version(model, ArtifactFiles(), wanted=wanted)
    registry.build_artifact_version(model, ArtifactFiles(script))
    with pytest.raises(NotFound, match=f"no artifact version {wanted} of .*It has 0 to 1"):
        registry.build_artifact_version(model, ArtifactFiles(script), wanted=wanted)


def test_script_and_config_of_one_name_are_refused(registry: Registry, model: ModelVersion, tmp_path: Path) -> None:
    files = ArtifactFiles(write(tmp_path / "a" / "same", "1"), write(tmp_path / "b" / "same", "2"))
    with pytest.raises(InvalidName, match=r"both called 'same'.*Rename one"):
        registry.build_artifact_version(model, files)


def test_a_file_that_is_not_there_is_refused(registry: Registry, model: ModelVersion, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"script file .*nowhere.py' does not exist"):
        registry.build_artifact_version(model, ArtifactFiles(tmp_path / "nowhere.py"))
    with pytest.raises(NotFound, match=r"config file .* is no file"):
        registry.build_artifact_version(model, ArtifactFiles(None, tmp_path))


def test_a_large_file_is_staged_and_comes_down_whole(
    registry: Registry, store: DirectoryStore, model: ModelVersion, tmp_path: Path
) -> None:
    large = write(tmp_path / "large.json", "x" * (MAX_INLINE_BYTES + 1))
    artifact = registry.build_artifact_version(model, ArtifactFiles(None, large)).artifact
    registry.download_artifact(artifact, tmp_path / "down")
    assert (tmp_path / "down" / "large.json").read_text() == large.read_text()
    assert max(found.size for found in store.list(KEYS.artifact_log("iris", 1))) < 2000


@pytest.mark.parametrize("size", [10, MAX_INLINE_BYTES + 1], ids=["inline", "staged"])
def test_what_an_interrupted_builder_left_is_completed(
    registry: Registry, model: ModelVersion, root: Path, tmp_path: Path, size: int
) -> None:
    files = ArtifactFiles(write(tmp_path / "predictor.py", "#" * size))
    with pytest.raises(KeyboardInterrupt):
        Registry(InterruptedStore(root), "demo").build_artifact_version(model, files)
    artifact = registry.get_artifact_version("iris", 1, 1)
    registry.download_artifact(artifact, tmp_path / "down")
    assert (tmp_path / "down" / "predictor.py").stat().st_size == size
    assert registry.build_artifact_version(model, files).artifact == artifact


def test_a_changed_staged_file_is_named(
    registry: Registry, store: DirectoryStore, model: ModelVersion, root: Path, tmp_path: Path
) -> None:
    files = ArtifactFiles(write(tmp_path / "predictor.py", "#" * (MAX_INLINE_BYTES + 1)))
    with pytest.raises(KeyboardInterrupt):
        Registry(InterruptedStore(root), "demo").build_artifact_version(model, files)
    (staged,) = store.list(f"{KEYS.registry}iris/s/")
    (root / staged.key).write_text("tampered")
    with pytest.raises(IntegrityError, match=r"'predictor.py' of model 'iris' version 1 has sha256 .*Expected was"):
        registry.get_artifact_version("iris", 1, 1)


def test_who_is_second_with_the_same_large_file_reuses_it_and_leaves_no_litter(
    registry: Registry, store: DirectoryStore, model: ModelVersion, root: Path, tmp_path: Path
) -> None:
    files = ArtifactFiles(write(tmp_path / "predictor.py", "#" * (MAX_INLINE_BYTES + 1)))
    rivalled = RivalledStore(root)
    rivalled.rival = lambda: registry.build_artifact_version(model, files)
    built = Registry(rivalled, "demo").build_artifact_version(model, files)
    assert (built.reused, built.artifact.version) == (True, 1)
    assert len(list(store.list(f"{KEYS.registry}iris/s/"))) == 1


def test_a_changed_entry_is_named(registry: Registry, model: ModelVersion, root: Path, script: Path) -> None:
    registry.build_artifact_version(model, ArtifactFiles(script))
    (entry,) = (root / KEYS.artifact_log("iris", 1)).iterdir()
    entry.write_text(entry.read_text().replace("predictor.py", "predictor.pz"))
    with pytest.raises(IntegrityError, match="was changed: the files it lists have the digest"):
        registry.get_artifact_version("iris", 1, 1)


def test_builders_at_once_agree_on_one_number_for_the_same_files(
    registry: Registry, store: DirectoryStore, model: ModelVersion, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in "abcd"]
    for folder in folders:
        folder.mkdir()
    commands = [[sys.executable, "-c", BUILDER, store.url, str(folder)] for folder in folders]
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [builder.communicate()[0].split() for builder in builders]
    assert told[0] == told[1] == told[2] == told[3]
    assert sorted(map(int, told[0])) == list(range(1, 9))


def test_a_script_that_changes_while_it_is_read_makes_no_version(
    registry: Registry, model: ModelVersion, root: Path, tmp_path: Path
) -> None:
    large = write(tmp_path / "predictor.py", "#" * (MAX_INLINE_BYTES + 1))

    class EditedMeanwhile(DirectoryStore):
        def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
            large.write_text("edited")
            return super().put_if_absent(key, body)

    with pytest.raises(CallerError, match="changed while it was read"):
        Registry(EditedMeanwhile(root), "demo").build_artifact_version(model, ArtifactFiles(large))
    with pytest.raises(NotFound, match="It has 0 only"):
        registry.get_artifact_version("iris", 1, 1)
