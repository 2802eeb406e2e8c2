"""Through an ingress: a URL that answers, and a model that has no instance while nobody asks.

Needs TESTS_INGRESS, the base URL at which this machine reaches the ingress, and Knative Serving beside KServe.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from moorage.deployment import State
from moorage.predictor import ServingTool
from moorage.resources import Scaling
from moorage.serving.cluster.backend import ClusterBackend
from moorage.site import Site
from moorage.startup import Cause
from tests.cluster.conftest import Cluster, backend_of, remove, site_on
from tests.cluster.deploying import ask, deploy
from tests.cluster.faults import REQUEST_ERROR
from tests.cluster.kubectl import kubectl
from tests.serving.conftest import Workshop
from tests.waiting import until

TO_ZERO = {"scaling": Scaling(min_instances=0, max_instances=2, metric="CONCURRENCY")}


@pytest.fixture(scope="module")
def tool() -> ServingTool:
    return ServingTool.KSERVE


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Site:
    if not os.environ.get("TESTS_INGRESS") or "serving.knative.dev" not in kubectl("api-resources", "-o", "name"):
        pytest.skip("no Knative in this cluster, or TESTS_INGRESS is not set")
    return site_on(cluster, tmp_path, ingress=os.environ["TESTS_INGRESS"])


@pytest.fixture
def backend(site: Site, tool: ServingTool) -> Iterator[ClusterBackend]:
    backend = backend_of(site, tool)
    yield backend
    remove(backend)


def test_it_goes_to_zero_and_its_next_request_is_answered(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    draft = workshop.revision(**TO_ZERO)  # type: ignore[arg-type]
    assert deploy(site, draft).verdict is None
    assert ask(site, draft) == (42, "1")
    until(lambda: backend.observe("double").state is State.IDLE, timeout_s=200, what="going to zero")
    idle = backend.observe("double")
    assert (idle.serving, idle.verdict, idle.processes) == (1, None, ())
    began = time.monotonic()
    assert ask(site, draft) == (42, "1")
    print(f"cold start: {time.monotonic() - began:.1f} s")
    until(lambda: backend.observe("double").state is State.RUNNING, timeout_s=60, what="an instance being seen")


def test_the_url_that_is_given_out_answers_in_standard_mode_too(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    if "httproutes" not in kubectl("api-resources", "-o", "name"):
        pytest.skip("no Gateway API in this cluster")
    draft = workshop.revision()
    assert deploy(site, draft).verdict is None
    assert ask(site, draft) == (42, "1")
    given = urlsplit(str(backend.endpoint("double")))
    answer = httpx.post(
        f"{os.environ['TESTS_INGRESS']}/v1/models/double:predict",
        json={"instances": [[4]]},
        headers={"Host": given.netloc},
        trust_env=False,
    )
    assert answer.json() == {"predictions": [8]}


def test_a_broken_revision_never_gets_a_request_and_a_good_one_all(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    first = workshop.revision(**TO_ZERO)  # type: ignore[arg-type]
    assert deploy(site, first).verdict is None
    broken = deploy(site, workshop.revision(script=REQUEST_ERROR, **TO_ZERO))  # type: ignore[arg-type]
    assert broken.verdict is not None
    assert (broken.verdict.cause, broken.verdict.where) == (Cause.PREDICT_ERROR, "predictor.py:3")
    assert ask(site, first) == (42, "1")
    assert deploy(site, workshop.revision(factor=3, **TO_ZERO)).verdict is None  # type: ignore[arg-type]
    assert ask(site, first) == (63, "3")
