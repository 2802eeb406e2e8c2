from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import moorage
from moorage import lifecycle
from moorage.client.model_registry import ModelRegistry
from moorage.site import Site

# Answers each row with what the model file says.
PREDICTOR = """
import os

class Predictor:
    def __init__(self):
        self.text = open(os.environ["MODEL_FILES_PATH"] + "/model.txt").read()

    def predict(self, inputs):
        return [self.text for _ in inputs]
"""


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What training saved, in the current folder, beside a script that serves it; the store is empty."""
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "model.txt").write_text("petals")
    (tmp_path / "predictor.py").write_text(PREDICTOR)
    here = Site.from_env()
    yield tmp_path / "trained"
    for view in lifecycle.deployments(here):
        lifecycle.stop(here, view.name)


@pytest.fixture
def mr(trained: Path) -> ModelRegistry:
    return moorage.login().get_model_registry()


@pytest.fixture
def site(trained: Path) -> Site:
    return Site.from_env()
