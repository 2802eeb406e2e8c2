"""Through an ingress: a URL that answers, and a model that has no instance while nobody asks.

Needs TESTS_INGRESS, the base URL at which this machine reaches the ingress, and Knative Serving beside KServe.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from moorage import lifecycle, rollout
from moorage.deployment import Revision, Rollout, State
from moorage.predictor import ServingTool
from moorage.resources import Scaling
from moorage.serving.cluster.backend import ClusterBackend
from moorage.site import Site
from moorage.startup import Cause
from tests.cluster.conftest import Cluster, backend_of, remove, site_on
from tests.cluster.deploying import ask, deploy
from tests.cluster.faults import REQUEST_ERROR
from tests.cluster.kubectl import OURS, kubectl, objects
from tests.cluster.transforming import TRANSFORMER, transformed
from tests.load import Load
from tests.serving.conftest import DOUBLE, Workshop
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
    scaling = TO_ZERO["scaling"].model_copy(update={"stable_window_s": 6})
    draft = workshop.revision(scaling=scaling)
    assert deploy(site, draft).verdict is None
    assert ask(site, draft) == (42, "1")
    # 90 s with the window that there is by default
    until(lambda: backend.observe("double").state is State.IDLE, timeout_s=75, what="going to zero")
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


def test_a_transformer_runs_in_knative_mode_too_and_goes_with_the_revision_that_has_none(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    assert deploy(site, transformed(workshop, site, TRANSFORMER, **TO_ZERO)).verdict is None
    asked = lifecycle.predict(site, "double", inputs=[{"value": 4}])
    assert asked.predictions == ["doubled: 8"]
    broken = deploy(site, transformed(workshop, site, TRANSFORMER.replace("doubled", "tripled"), **TO_ZERO))
    assert broken.verdict is not None
    assert broken.verdict.cause is Cause.WRONG_ANSWER
    assert lifecycle.predict(site, "double", inputs=[{"value": 4}]).predictions == ["doubled: 8"]
    plain = workshop.revision(**TO_ZERO)  # type: ignore[arg-type]
    assert deploy(site, plain).verdict is None
    assert ask(site, plain) == (42, "3")
    until(lambda: len(objects("services.serving.knative.dev", OURS)) == 1, timeout_s=60, what="the transformer's end")


FAILS_LATER = "import os, threading\nthreading.Timer(15, os._exit, [7]).start()\n" + DOUBLE


def on_trial(workshop: Workshop, **changes: object) -> Revision:
    """A revision that gets a fifth of the requests for a while."""
    values = TO_ZERO | {"rollout": Rollout(canary_percent=20, canary_s=20)} | changes
    return workshop.revision(**values)  # type: ignore[arg-type]


@contextmanager
def users(backend: ClusterBackend) -> Iterator[Load]:
    """Who asks through the ingress all the while."""
    host = urlsplit(str(backend.endpoint("double"))).netloc
    with Load(os.environ["TESTS_INGRESS"], "double", [[1]], lambda got: got in ([2], [3]), 40, 4, host=host) as load:
        yield load


def test_a_canary_gets_its_share_and_only_once_it_is_proven_all(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    assert deploy(site, on_trial(workshop)).verdict is None
    with users(backend) as load:
        revision = rollout.provision(site, on_trial(workshop, factor=3)).revision
        rollout.wait(site, revision)
        load.answers.clear()
        rollout.prove(site, revision)
        shared = Counter(load.answers)
        assert site.ledger("double").state().live is not None
        rollout.promote(site, revision)
        load.answers.clear()
        until(lambda: load.answers["2"] > 100, timeout_s=30, what="answers of the promoted one")
    assert load.failures == []
    print(f"shared: {shared}, then {load.answers}")
    assert 0.1 < shared["2"] / shared.total() < 0.3
    assert load.answers["1"] < 5
    assert backend.observe("double").serves(2)


def test_a_canary_that_fails_with_its_share_is_taken_back_and_nobody_is_given_to_it(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    assert deploy(site, on_trial(workshop)).verdict is None
    with users(backend) as load:
        failed = deploy(site, on_trial(workshop, factor=3, script=FAILS_LATER))
        assert failed.verdict is not None
        assert failed.verdict.cause is Cause.CRASHED
        assert failed.restored is not None
        assert failed.restored.revision == 1
        load.answers.clear()
        until(lambda: load.answers["1"] > 100, timeout_s=30, what="answers of the one before")
    print(f"failed: {len(load.failures)} of {load.asked}, then {load.answers}")
    assert set(load.answers) == {"1"}
    assert (backend.observe("double").canary, backend.observe("double").serves(1)) == (None, True)


def test_a_canary_that_answers_wrongly_never_gets_a_request(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    assert deploy(site, on_trial(workshop)).verdict is None
    with users(backend) as load:
        failed = deploy(site, on_trial(workshop, script=REQUEST_ERROR))
        assert failed.verdict is not None
        assert failed.verdict.cause is Cause.PREDICT_ERROR
    assert (load.failures, set(load.answers)) == ([], {"1"})
