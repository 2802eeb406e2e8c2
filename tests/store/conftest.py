from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore
from moorage.store.s3 import S3Store
from tests.seaweed import Seaweed
from tests.store.faulty_proxy import FaultyProxy, running_proxy

# One line for each store: the whole contract suite runs over it.
FACTORIES: dict[str, Callable[[pytest.FixtureRequest], ObjectStore]] = {
    "directory": lambda request: DirectoryStore(request.getfixturevalue("tmp_path") / "store"),
    "s3": lambda request: request.getfixturevalue("s3_store"),
    "s3 by obstore": lambda request: request.getfixturevalue("fast_store"),
}


@pytest.fixture(params=sorted(FACTORIES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return FACTORIES[request.param](request)


@pytest.fixture
def proxy(seaweed: Seaweed, s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """A proxy before the server; what is sent to `s3_store` from here on goes through it."""
    with running_proxy(seaweed.endpoint_url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy
