"""Every entry of prefect.yaml against the installed Prefect, and one of them for real: server, pool, worker, run."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.settings import PREFECT_API_URL

from moorage import lifecycle, preparation
from moorage.predictor import ModelRef

ROOT = Path(__file__).parents[2]
ENTRIES = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
KNOWN = {
    *("name", "version", "description", "tags", "entrypoint", "enforce_parameter_schema", "concurrency_limit"),
    *("parameters", "work_pool", "schedules", "triggers", "paused"),
}


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry["name"])
def entry(request):
    return request.param


def flow_of(entry):
    module, name = entry["entrypoint"].rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def test_an_entry_has_no_key_that_prefect_would_drop(entry):
    assert set(entry) <= KNOWN


def test_an_entry_loads_and_takes_its_parameters(entry):
    flow = flow_of(entry)
    assert isinstance(flow, Flow)
    assert flow.validate_parameters(entry["parameters"]).keys() >= entry["parameters"].keys()


def test_a_schedule_of_an_entry_can_be_built_and_takes_its_parameters(entry):
    for schedule in entry.get("schedules", []):
        about = {key: schedule[key] for key in ("active", "slug", "parameters") if key in schedule}
        when = {key: value for key, value in schedule.items() if key not in about}
        built = DeploymentScheduleCreate.model_validate({"schedule": when, **about})
        assert built.schedule.model_dump().items() >= when.items()
        flow_of(entry).validate_parameters({**entry["parameters"], **about.get("parameters", {})})


def test_garbage_is_collected_by_schedule_only_when_somebody_has_said_so():
    [entry] = [entry for entry in ENTRIES if entry["name"] == "collect-garbage"]
    assert entry["parameters"]["dry_run"]
    [weekly] = entry["schedules"]
    assert (weekly["active"], weekly["parameters"]) == (False, {"dry_run": False})


@pytest.mark.usefixtures("prefect_server")
def test_a_registered_run_goes_through_a_work_pool(site, model):
    preparation.register(site, ModelRef(name="double"), model)
    spec = {
        "name": "double",
        "model": {"name": "double"},
        "script_file": "tests/flows/double_predictor.py",
        "smoke_test": {"requests": [{"inputs": [[21]], "expect": [42]}]},
    }
    prefect("work-pool", "create", "local", "--type", "process")
    prefect("--no-prompt", "deploy", "--all")
    prefect("deployment", "run", "deploy-model/deploy-model", "--params", json.dumps({"spec": spec}))
    prefect("worker", "start", "--pool", "local", "--run-once")
    assert lifecycle.predict(site, "double", inputs=[[4]]).predictions == [8]


def prefect(*arguments: str) -> None:
    """Prefect's own command, from the checkout's root, against the server of the fixture."""
    environ = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()}
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
