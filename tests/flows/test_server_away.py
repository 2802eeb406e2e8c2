"""A Prefect server that goes away under a deploy: the deploy goes on, for it needs store and serving tool alone."""

import time

import pytest

from moorage import lifecycle, preparation
from moorage.deployment import DeploymentSpec
from moorage.ledger import Event
from moorage.predictor import ModelSource
from moorage.settings import Settings
from moorage.site import Site
from tests.flows.conftest import DOUBLE
from tests.flows.prefect_server import process_worker, running_server
from tests.waiting import until

pytestmark = pytest.mark.timeout(600)
# A predictor that takes its time: the server goes and may come back while it does.
SLOW = "import time\ntime.sleep({seconds})\n" + DOUBLE


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    variables = {"MOORAGE_HOME": str(folder / "home"), "MOORAGE_EVENTS": "none", "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with running_server(folder, **variables) as server, process_worker(server):
        yield server


@pytest.fixture
def site(server, tmp_path):
    site = Site(Settings.from_env(server.environ), "ada@lovelace")
    (tmp_path / "factor").write_text("2")
    preparation.register(site, _spec(tmp_path, 0).model, ModelSource(path=str(tmp_path / "factor")))
    yield site
    lifecycle.stop(site, "away")
    lifecycle.delete(site, "away")


def _spec(folder, seconds):
    (folder / "p.py").write_text(SLOW.format(seconds=seconds))
    return DeploymentSpec.model_validate(
        {
            "name": "away",
            "model": {"name": "away"},
            "script_file": str(folder / "p.py"),
            "smoke_test": {"requests": [{"inputs": [[21]], "expect": [42]}]},
        }
    )


def is_in_flight(site):
    history = site.ledger("away").history()
    return bool(history) and history[-1].event is Event.APPLIED


def is_live(site):
    return site.ledger("away").history()[-1].event is Event.PROMOTED


def begin(server, site, spec):
    run = server.orchestrator.start("deploy-model", spec=spec.model_dump(mode="json"))
    until(lambda: is_in_flight(site), timeout_s=90, what="the revision in flight")
    return run


def test_a_server_that_is_away_for_a_minute_costs_a_deploy_nothing(server, site, tmp_path):
    run = begin(server, site, _spec(tmp_path, 70))
    server.kill()
    time.sleep(60)
    server.start()
    server.orchestrator.until_state(run, "Completed")
    assert is_live(site)
    assert lifecycle.predict(site, "away", inputs=[[21]]).predictions == [42]


def test_a_deploy_that_ends_while_the_server_is_away_has_ended_all_the_same(server, site, tmp_path):
    run = begin(server, site, _spec(tmp_path, 10))
    server.kill()
    until(lambda: is_live(site), timeout_s=60, what="the promotion")
    time.sleep(20)
    server.start()
    time.sleep(60)
    print(server.orchestrator.run(run)["state"])
    assert lifecycle.predict(site, "away", inputs=[[21]]).predictions == [42]
