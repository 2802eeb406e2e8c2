from __future__ import annotations

from pathlib import Path

import pytest

import moorage
from moorage.client.model_registry import ModelRegistry
from moorage.site import Site


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What training saved, in the current folder; the store is empty."""
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "model.txt").write_text("petals")
    return tmp_path / "trained"


@pytest.fixture
def mr(trained: Path) -> ModelRegistry:
    return moorage.login().get_model_registry()


@pytest.fixture
def site(trained: Path) -> Site:
    return Site.from_env()
