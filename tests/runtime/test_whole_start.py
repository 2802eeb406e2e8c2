"""`python -m moorage.runtime` as backends start it: from a real store to an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from moorage.deployment import ResolvedArtifact, ResolvedModel
from moorage.predictor import ModelSource
from moorage.registry.artifact_files import ArtifactFiles
from moorage.registry.registry import Registry
from moorage.startup import Cause
from moorage.store import open_store

_SCRIPT = """
import os, pathlib
class Predictor:
    def __init__(self):
        self.offset = int(pathlib.Path(os.environ["MODEL_FILES_PATH"], "offset.txt").read_text())
    def predict(self, inputs):
        return [row[0] + self.offset for row in inputs]
"""


@pytest.fixture
def published(tmp_path: Path) -> dict[str, Any]:
    """The fields of a revision whose files are in the store under `tmp_path`."""
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "offset.txt").write_text("40")
    (tmp_path / "predictor.py").write_text(_SCRIPT)
    registry = Registry(open_store((tmp_path / "store").as_uri()), "demo")
    model = registry.publish("iris", ModelSource(path=str(tmp_path / "trained"))).model
    files = ArtifactFiles(script_file=tmp_path / "predictor.py", config_file=None)
    artifact = registry.build_artifact_version(model, files).artifact
    return {
        "model": ResolvedModel(name="iris", version=model.version, digest=model.digest, framework="PYTHON"),
        "artifact": ResolvedArtifact(
            version=artifact.version, digest=artifact.digest, script_file=artifact.script_file
        ),
    }


def test_a_published_model_is_fetched_proven_and_served(start_runtime, published, tmp_path):
    smoke = [{"inputs": [[2]], "expect": [42]}]
    command = ("-m", "moorage.runtime")
    runtime = start_runtime(None, command=command, store=tmp_path / "store", smoke_requests=smoke, **published)
    answer = runtime.ask([[1], [2]])
    assert answer.json() == {"predictions": [41, 42]}
    assert answer.headers["moorage-model-digest"] == published["model"].digest


def test_other_files_than_the_revision_names_are_not_served(start_runtime, published, tmp_path):
    published["model"] = published["model"].model_copy(update={"digest": "sha256:" + "0" * 64})
    runtime = start_runtime(None, command=("-m", "moorage.runtime"), store=tmp_path / "store", **published)
    assert runtime.ended() == 1
    assert runtime.report().failure.cause == Cause.DIGEST_MISMATCH


def test_a_secret_that_went_away_ends_the_start(start_runtime, published, tmp_path, monkeypatch):
    monkeypatch.setenv("MOORAGE_SECRETS", str(tmp_path / "secrets"))
    named = [{"name": "TOKEN", "secret": "hub"}]
    command = ("-m", "moorage.runtime")
    runtime = start_runtime(None, command=command, store=tmp_path / "store", env_vars=named, **published)
    assert runtime.ended() == 1
    failure = runtime.report().failure
    assert failure.cause == Cause.PLACE_INCOMPLETE
    assert "Secret 'hub' has no key 'TOKEN' here" in failure.message
