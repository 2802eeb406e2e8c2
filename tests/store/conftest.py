from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore

# One line for each store: the whole contract suite runs over it.
FACTORIES: dict[str, Callable[[pytest.FixtureRequest], ObjectStore]] = {
    "directory": lambda request: DirectoryStore(request.getfixturevalue("tmp_path") / "store"),
    "s3": lambda request: request.getfixturevalue("s3_store"),
    "s3 by obstore": lambda request: request.getfixturevalue("fast_store"),
}


@pytest.fixture(params=sorted(FACTORIES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return FACTORIES[request.param](request)
