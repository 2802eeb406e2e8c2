from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore
from tests.registry.watched import Watched, watched
from tests.store.conftest import FACTORIES

MakeSource = Callable[..., ModelSource]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> DirectoryStore:
    return DirectoryStore(root)


@pytest.fixture
def registry(store: DirectoryStore) -> Registry:
    return Registry(store, "demo", clock=lambda: datetime(2025, 3, 9, 8, 7, 6, tzinfo=UTC))


@pytest.fixture
def make_source(tmp_path: Path) -> MakeSource:
    """Saves files as training would: `make_source({"a.txt": "one"}, metrics={...})`."""

    def make(files: dict[str, str], **record: Any) -> ModelSource:
        folder = tmp_path / f"trained-{len(list(tmp_path.iterdir()))}"
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return ModelSource(path=str(folder), **record)

    return make


@pytest.fixture(params=sorted(FACTORIES))
def each_store(request: pytest.FixtureRequest) -> ObjectStore:
    """Each store in turn."""
    return FACTORIES[request.param](request)


@pytest.fixture
def watched_store(each_store: ObjectStore) -> Watched:
    return watched(each_store)
