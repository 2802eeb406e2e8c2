"""The registry on a real S3 server, as people use it: publish, find, build, fetch, and many at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from moorage.errors import IntegrityError
from moorage.predictor import ModelSource
from moorage.registry.artifact_files import ArtifactFiles
from moorage.registry.registry import Registry
from moorage.store.s3 import S3Store
from tests.store.faulty_proxy import FaultyProxy, answering

FILES = {
    "model.bin": bytes(range(256)) * 70_000,
    "empty": b"",
    ".hidden": b"dot",
    "a b/ü+%20.txt": b"odd",
    "deep/er/and/deeper": b"x",
}

PUBLISHER = """
import sys
from pathlib import Path
from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.store import open_store
registry, folder = Registry(open_store(sys.argv[1]), "demo"), Path(sys.argv[2])
for number in range(3):
    (folder / "model.txt").write_text(f"{folder.name} {number}")
    print(registry.publish("iris", ModelSource(path=str(folder)), actor=folder.name).model.version)
"""


class InterruptedStore(S3Store):
    """Its user is interrupted when the first artifact file should be written: it is staged, and no more."""

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if "/Artifacts/" in key:
            raise KeyboardInterrupt
        return super().put_if_absent(key, body)


@pytest.fixture
def registry(s3_store: S3Store) -> Registry:
    return Registry(s3_store, "demo")


@pytest.fixture
def trained(tmp_path: Path) -> ModelSource:
    for path, content in FILES.items():
        (tmp_path / "trained" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "trained" / path).write_bytes(content)
    return ModelSource(path=str(tmp_path / "trained"), metrics={"accuracy": 0.97})


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_published_is_found_and_comes_down_byte_for_byte(
    registry: Registry, trained: ModelSource, tmp_path: Path
) -> None:
    published = registry.publish("iris", trained, actor="ann").model
    assert (published.version, registry.get("iris"), registry.models()) == (1, published, ["iris"])
    registry.download_model(published, tmp_path / "down")
    assert contents(tmp_path / "down") == FILES


def test_what_did_not_change_is_not_published_again(registry: Registry, trained: ModelSource) -> None:
    first, second = registry.publish("iris", trained), registry.publish("iris", trained)
    assert (second.reused, second.model) == (True, first.model)
    (Path(trained.path) / "empty").write_text("no longer")
    assert registry.publish("iris", trained).model.version == 2
    assert [model.version for model in registry.versions("iris")] == [2, 1]


def test_the_same_artifact_files_have_the_same_number_and_come_down(
    registry: Registry, trained: ModelSource, tmp_path: Path
) -> None:
    model = registry.publish("iris", trained).model
    script = tmp_path / "predictor.py"
    script.write_text("one")
    built = registry.build_artifact_version(model, ArtifactFiles(script)).artifact
    assert registry.build_artifact_version(model, ArtifactFiles(script)).artifact == built
    script.write_text("two")
    assert registry.build_artifact_version(model, ArtifactFiles(script)).artifact.version == built.version + 1 == 2
    registry.download_artifact(registry.get_artifact_version("iris", 1, 1), tmp_path / "down")
    assert contents(tmp_path / "down") == {"predictor.py": b"one"}


def test_further_files_come_down_byte_for_byte_whether_staged_or_not(
    registry: Registry, trained: ModelSource, tmp_path: Path
) -> None:
    files = ArtifactFiles(further=(tmp_path / "trained",))
    built = registry.build_artifact_version(registry.publish("iris", trained).model, files)
    assert registry.build_artifact_version(registry.get("iris"), files).artifact == built.artifact
    registry.download_artifact(built.artifact, tmp_path / "down")
    assert contents(tmp_path / "down" / "trained") == FILES


def test_a_staged_file_is_read_once_more_when_another_write_was_in_the_way(
    registry: Registry, s3_store: S3Store, proxy: FaultyProxy, trained: ModelSource, tmp_path: Path
) -> None:
    model = registry.publish("iris", trained).model
    files = ArtifactFiles(further=(tmp_path / "trained" / "model.bin",))
    bucket, _, prefix = s3_store.url.removeprefix("s3://").partition("/")
    with pytest.raises(KeyboardInterrupt):
        Registry(InterruptedStore(bucket, prefix), "demo").build_artifact_version(model, files)
    proxy.fail("POST uploadId=", answering(409, "ConditionalRequestConflict"))
    artifact = registry.get_artifact_version("iris", 1, 1)
    assert proxy.count("POST uploadId=") > 1
    registry.download_artifact(artifact, tmp_path / "down")
    assert contents(tmp_path / "down") == {"model.bin": FILES["model.bin"]}


def test_an_altered_object_is_refused(
    registry: Registry, s3_store: S3Store, trained: ModelSource, tmp_path: Path
) -> None:
    model = registry.publish("iris", trained).model
    (key,) = (found.key for found in s3_store.list("") if found.key.endswith("/model.bin"))
    s3_store.delete(key)
    s3_store.put_if_absent(key, b"tampered")
    with pytest.raises(IntegrityError, match=r"model.bin' is not what was published"):
        registry.download_model(model, tmp_path / "down")
    assert not (tmp_path / "down").exists()


def test_four_processes_that_publish_at_once_each_get_numbers_of_their_own(
    registry: Registry, s3_store: S3Store, tmp_path: Path
) -> None:
    folders = {name: tmp_path / name for name in "abcd"}
    for folder in folders.values():
        folder.mkdir()
    command = [sys.executable, "-c", PUBLISHER, s3_store.url]
    publishers = {
        name: subprocess.Popen([*command, str(folder)], stdout=subprocess.PIPE, text=True)
        for name, folder in folders.items()
    }
    told = {name: [int(line) for line in publisher.communicate()[0].split()] for name, publisher in publishers.items()}
    assert len({version for versions in told.values() for version in versions}) == 12
    for name, versions in told.items():
        for number, version in enumerate(versions):
            registry.download_model(registry.get("iris", version), tmp_path / "down")
            assert contents(tmp_path / "down") == {"model.txt": f"{name} {number}".encode()}
