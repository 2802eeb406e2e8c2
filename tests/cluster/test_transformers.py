"""A transformer beside its predictor, which only KSERVE has."""

from __future__ import annotations

import pytest

from moorage import lifecycle
from moorage.predictor import ServingTool
from moorage.serving.cluster.backend import ClusterBackend
from moorage.site import Site
from moorage.startup import Cause
from tests.cluster.deploying import ask, deploy
from tests.cluster.kubectl import OURS, objects
from tests.cluster.transforming import TRANSFORMER, transformed
from tests.serving.conftest import Workshop
from tests.waiting import until


@pytest.fixture(scope="module")
def tool() -> ServingTool:
    return ServingTool.KSERVE


def left() -> list[str]:
    """What KServe made, as it is named."""
    return [each["metadata"]["name"] for kind in ("deployments", "services") for each in objects(kind, OURS)]


def test_a_transformer_goes_online_with_its_predictor_and_a_broken_one_never(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    live = transformed(workshop, site, TRANSFORMER)
    assert deploy(site, live).verdict is None
    asked = lifecycle.predict(site, "double", inputs=[{"value": 4}])
    assert asked.predictions == ["doubled: 8"]
    assert len(objects("deployments", OURS)) == 2
    broken = deploy(site, transformed(workshop, site, TRANSFORMER.replace("doubled", "tripled")))
    assert broken.verdict is not None
    assert broken.verdict.cause is Cause.WRONG_ANSWER
    assert lifecycle.predict(site, "double", inputs=[{"value": 4}]).predictions == ["doubled: 8"]
    plain = workshop.revision()
    assert deploy(site, plain).verdict is None
    assert ask(site, plain)[0] == 42
    until(lambda: left() == ["double-predictor"] * 2, timeout_s=60, what="the end of the transformer")
