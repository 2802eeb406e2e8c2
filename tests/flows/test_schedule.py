"""A schedule on a real server with a real worker: it fires again while its last run still goes."""

from datetime import datetime
from itertools import pairwise

import pytest

from moorage import lifecycle, preparation
from moorage.ledger import Event
from moorage.predictor import ModelRef, ModelSource
from tests.flows.conftest import DOUBLE
from tests.flows.orchestrator import quiet_site
from tests.waiting import until

# The orchestrator's start may be among it.
pytestmark = pytest.mark.timeout(600)

EVERY_S = 10
# Longer than the schedule waits, so that it fires while this deploy goes on.
SLOW = "import time\ntime.sleep(25)\n" + DOUBLE


@pytest.fixture
def site(orchestrator, tmp_path):
    site = quiet_site(orchestrator)
    (tmp_path / "factor").write_text("2")
    source = ModelSource(path=str(tmp_path / "factor"), input_example=[[21]])
    preparation.register(site, ModelRef(name="scheduled"), source)
    yield site
    lifecycle.stop(site, "scheduled")


@pytest.fixture
def schedule(orchestrator, site, tmp_path):
    """The runs of `redeploy-declared`, on a schedule for what this test declares; gone afterwards."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "p.py").write_text(SLOW)
    (folder / "scheduled.yaml").write_text("name: scheduled\nmodel: {name: scheduled}\nscript_file: p.py\n")
    deployment = orchestrator.deployment("redeploy-declared")
    schedules = f"/deployments/{deployment['id']}/schedules"
    given = {"schedule": {"interval": EVERY_S}, "slug": "soon", "parameters": {"folder": str(folder)}, "active": True}
    (made,) = orchestrator.ask("POST", schedules, [given])
    yield
    orchestrator.ask("DELETE", f"{schedules}/{made['id']}")


def test_a_run_that_fires_while_the_last_one_goes_waits_for_it_and_finds_nothing_to_do(orchestrator, site, schedule):
    def fired():
        runs = orchestrator.runs("redeploy-declared")
        return [run for run in runs if (run["created_by"] or {}).get("display_value") == "soon"]

    def waiting():
        return [run for run in fired() if run["state"]["name"] == "AwaitingConcurrencySlot"]

    def two_that_ended():
        ended = [run for run in fired() if run["end_time"]]
        return ended if len(ended) >= 2 else None

    until(waiting, timeout_s=90, what="a run that waits", poll_s=1)
    ended = until(two_that_ended, timeout_s=120, what="the end of two runs", poll_s=1)
    assert {run["state"]["name"] for run in ended} == {"Completed"}
    spans = sorted(
        (datetime.fromisoformat(run["start_time"]), datetime.fromisoformat(run["end_time"])) for run in ended
    )
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
    history = lifecycle.history(site, "scheduled")
    assert [entry.event for entry in history] == [Event.PROPOSED, Event.APPLIED, Event.PROVEN, Event.PROMOTED]
    assert history[0].actor.startswith("schedule soon, run ")
    assert lifecycle.predict(site, "scheduled", inputs=[[21]]).predictions == [42]
