from __future__ import annotations

import pytest

from moorage.site import Site


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The site that the command finds in the environment."""
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path / "home"))
    return Site.from_env()
