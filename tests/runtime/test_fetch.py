from __future__ import annotations

import os
import shutil
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
from moorage.startup import EXIT_CODES, Cause
from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore
from moorage.store.s3 import S3Store


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


def variables(folder: Path, store: ObjectStore, revision: Revision) -> dict[str, str]:
    """What a pod tells its first container."""
    return {
        "MOORAGE_REVISION": revision.model_dump_json(),
        "MOORAGE_STORE": store.url,
        "MOORAGE_REPORT_FILE": str(folder / "termination-log"),
        "MODEL_FILES_PATH": str(folder / "model"),
        "ARTIFACT_FILES_PATH": str(folder / "artifact"),
    }


def fetched(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "moorage.runtime.fetch"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MOORAGE_", "AWS_"))}
    return subprocess.run(
        command, env=clean | environ, capture_output=True, text=True, encoding="utf-8", check=False, timeout=120
    )


def test_a_pods_first_container_puts_the_files_where_the_second_finds_them(store, revision, tmp_path) -> None:
    done = fetched(variables(tmp_path, store, revision))
    assert (done.returncode, (tmp_path / "model" / "weights").read_text()) == (0, "1 2 3")
    assert not (tmp_path / "termination-log").exists()


def spoil_weights(store: DirectoryStore) -> None:
    (store.root / "Projects/demo/Models/iris/1/Files/weights").write_text("1 2 4")


def lose_weights(store: DirectoryStore) -> None:
    (store.root / "Projects/demo/Models/iris/1/Files/weights").unlink()


def lose_everything(store: DirectoryStore) -> None:
    shutil.rmtree(store.root)


FAULTS = {
    "altered": (spoil_weights, Cause.DIGEST_MISMATCH, 65, "is not what was published"),
    "file lost": (lose_weights, Cause.FILES_MISSING, 66, "Files/weights' is missing"),
    "no such model": (lose_everything, Cause.FILES_MISSING, 66, "There is no model 'iris'"),
}


@pytest.mark.parametrize(("spoil", "cause", "code", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_a_failed_fetch_ends_with_its_cause_in_code_last_line_and_termination_message(
    store, revision, tmp_path, spoil, cause, code, said
) -> None:
    spoil(store)
    done = fetched(variables(tmp_path, store, revision))
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, last.partition(":")[0]) == (code, cause)
    assert said in last
    assert (tmp_path / "termination-log").read_text() == last


def test_a_store_that_refuses_has_a_code_of_its_own(s3_store, revision, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    done = fetched(variables(tmp_path, s3_store, revision) | keys)
    assert (done.returncode, done.stderr.splitlines()[-1].partition(":")[0]) == (77, "STORE_DENIED")


def test_a_store_that_does_not_answer_may_answer_later(revision, tmp_path) -> None:
    keys = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    store = S3Store("models", "", fast=False)
    done = fetched(variables(tmp_path, store, revision) | keys | {"AWS_DEFAULT_REGION": "us-east-1"})
    assert (done.returncode, done.stderr.splitlines()[-1].partition(":")[0]) == (69, "STORE_UNAVAILABLE")


def test_a_fetch_that_was_told_nothing_names_all_that_it_needs(tmp_path) -> None:
    done = fetched({})
    assert done.returncode == EXIT_CODES[Cause.INTERNAL]
    for name in ("MOORAGE_REVISION", "MOORAGE_STORE", "MODEL_FILES_PATH", "ARTIFACT_FILES_PATH"):
        assert name in done.stderr.splitlines()[-1]


def test_fetching_loads_no_cluster_client() -> None:
    heavy = {"boto3", "kubernetes", "prefect", "kserve"}
    script = f"import sys, moorage.runtime.fetch; print(*({heavy} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""
