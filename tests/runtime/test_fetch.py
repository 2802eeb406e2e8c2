from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from moorage.deployment import ResolvedArtifact, ResolvedModel, Revision
from moorage.errors import IntegrityError, NotFound
from moorage.predictor import ModelServer, ModelSource, ServingTool
from moorage.registry.artifact_files import ArtifactFiles
from moorage.registry.registry import Registry
from moorage.runtime.fetch import fetch
from moorage.store.directory import DirectoryStore


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def revision(store: DirectoryStore, tmp_path: Path) -> Revision:
    """A revision whose model has the file 'weights' and whose artifact version 1 is 'predictor.py'."""
    (tmp_path / "weights").write_text("1 2 3")
    (tmp_path / "predictor.py").write_text("class Predictor: ...")
    registry = Registry(store, "demo")
    model = registry.publish("iris", ModelSource(path=str(tmp_path / "weights"))).model
    artifact = registry.build_artifact_version(model, ArtifactFiles(tmp_path / "predictor.py")).artifact
    return Revision(
        project="demo",
        deployment="iris",
        number=1,
        model=ResolvedModel(name="iris", version=1, digest=model.digest, framework=model.framework),
        artifact=ResolvedArtifact(version=1, digest=artifact.digest, script_file="predictor.py"),
        model_server=ModelServer.PYTHON,
        serving_tool=ServingTool.LOCAL,
        environment="pandas-inference-pipeline",
    )


def fetch_into(folder: Path, store: DirectoryStore, revision: Revision) -> dict[str, str]:
    fetch(store.url, revision, model_files=folder / "model", artifact_files=folder / "artifact")
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_both_folders_hold_what_the_revision_names(store: DirectoryStore, revision: Revision, tmp_path: Path) -> None:
    expected = {"model/weights": "1 2 3", "artifact/predictor.py": "class Predictor: ..."}
    assert fetch_into(tmp_path / "pod", store, revision) == expected
    assert fetch_into(tmp_path / "pod", store, revision) == expected


def test_artifact_version_0_is_an_empty_folder(store: DirectoryStore, revision: Revision, tmp_path: Path) -> None:
    plain = revision.model_copy(update={"artifact": ResolvedArtifact(version=0)})
    assert fetch_into(tmp_path / "pod", store, plain) == {"model/weights": "1 2 3"}
    assert (tmp_path / "pod" / "artifact").is_dir()


@pytest.mark.parametrize("part", ["model", "artifact"])
def test_another_digest_than_the_revisions_is_refused_before_anything_is_fetched(
    store: DirectoryStore, revision: Revision, tmp_path: Path, part: str
) -> None:
    resolved = getattr(revision, part)
    other = revision.model_copy(update={part: resolved.model_copy(update={"digest": "sha256:0"})})
    with pytest.raises(IntegrityError, match=f"another {part} .*{resolved.digest}.*The revision names 'sha256:0'"):
        fetch_into(tmp_path / "pod", store, other)
    assert not (tmp_path / "pod").exists()


def test_a_tampered_model_file_is_not_delivered(store: DirectoryStore, revision: Revision, tmp_path: Path) -> None:
    (store.root / "Projects/demo/Models/iris/1/Files/weights").write_text("1 2 4")
    with pytest.raises(IntegrityError, match="Files/weights' is not what was published"):
        fetch_into(tmp_path / "pod", store, revision)
    assert not (tmp_path / "pod" / "model").exists()


def test_a_model_that_is_not_in_the_store_is_named(revision: Revision, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model 'iris' in project 'demo'"):
        fetch_into(tmp_path / "pod", DirectoryStore(tmp_path / "other"), revision)


def test_fetching_loads_no_cluster_client() -> None:
    heavy = {"boto3", "kubernetes", "prefect", "kserve"}
    script = f"import sys, moorage.runtime.fetch; print(*({heavy} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""
