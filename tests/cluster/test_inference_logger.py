"""Pods that log what they are asked and answer, to a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage.predictor import ServingTool
from moorage.serving.cluster.backend import ClusterBackend
from moorage.site import Site
from tests.cluster.conftest import Cluster, backend_of, remove, site_on
from tests.cluster.deploying import ask, deploy
from tests.kafka import Kafka
from tests.serving.conftest import Workshop


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path, kafka: Kafka) -> Site:
    return site_on(cluster, tmp_path, **kafka.settings)


@pytest.fixture
def backend(site: Site, tool: ServingTool) -> Iterator[ClusterBackend]:
    backend = backend_of(site, tool)
    yield backend
    remove(backend)


def test_what_pods_are_asked_and_answer_reaches_the_topic(
    site: Site, backend: ClusterBackend, workshop: Workshop, kafka: Kafka
) -> None:
    logger = {"kafka_topic": kafka.topic()}
    draft = workshop.revision(inference_logger=logger)
    assert deploy(site, draft).verdict is None
    assert ask(site, draft, 4)[0] == 8
    # the smoke test's comes first
    if backend.shape.tool is ServingTool.KUBERNETES:
        event = kafka.events(kafka.topic(), 2)[1]
        bodies = (event["inferenceRequest"], event["inferenceResponse"])
        assert (event["modelServer"], event["servingTool"]) == ("PYTHON", "KUBERNETES")
    else:
        request, response = kafka.events(kafka.topic(), 4)[2:]
        assert request["inferenceId"] == response["inferenceId"]
        assert (request["messageType"], response["messageType"]) == ("request", "response")
        bodies = (request["payload"], response["payload"])
    assert [json.loads(body) for body in bodies] == [{"instances": [[4]]}, {"predictions": [8]}]
