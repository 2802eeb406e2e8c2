"""In whose name a step works: a run's by what started it, any other by this process's user."""

import uuid

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.settings import PREFECT_API_URL, temporary_settings

from moorage.site import Site
from tasks.acting_site import acting_site, started_by

STARTED = {
    "a schedule": ({"type": "SCHEDULE", "display_value": "nightly"}, "schedule nightly, run amber-fox"),
    "an automation": ({"type": "AUTOMATION", "display_value": "on alias"}, "automation on alias, run amber-fox"),
    "a form": (None, "by hand, run amber-fox"),
    "nobody knows": ({}, "by hand, run amber-fox"),
}


@pytest.mark.parametrize(("by", "told"), STARTED.values(), ids=STARTED.keys())
def test_what_started_a_run_is_told_with_the_runs_name(by, told):
    run = FlowRun.model_validate({"flow_id": uuid.uuid4(), "name": "amber-fox", "created_by": by})
    assert started_by(run) == told


def test_without_a_worker_it_is_the_user_who_acts(monkeypatch, tmp_path):
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path))
    monkeypatch.delenv("PREFECT__FLOW_RUN_ID", raising=False)
    assert acting_site() == Site.from_env()


def test_while_the_server_is_away_a_run_is_told_by_its_id(monkeypatch, tmp_path):
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path))
    run = str(uuid.uuid4())
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", run)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert acting_site().actor == f"run {run}"
