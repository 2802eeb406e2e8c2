from __future__ import annotations

from pathlib import Path

import pytest

from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore

# One line for each store: the whole contract suite runs over it.
FACTORIES = {"directory": lambda folder: DirectoryStore(folder / "store")}


@pytest.fixture(params=sorted(FACTORIES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return FACTORIES[request.param](tmp_path)
