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
from moorage.deployment import DeploymentSpec
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


def test_an_entry_has_no_key_that_prefect_would_drop(entry):
    assert set(entry) <= KNOWN


def test_an_entry_loads_and_takes_its_parameters(entry):
    module, name = entry["entrypoint"].rsplit(".", 1)
    flow = getattr(importlib.import_module(module), name)
    assert isinstance(flow, Flow)
    assert isinstance(flow.validate_parameters(entry["parameters"])["spec"], DeploymentSpec)


def test_the_schedules_of_an_entry_can_be_built(entry):
    for schedule in entry.get("schedules", []):
        DeploymentScheduleCreate.model_validate({"schedule": schedule})


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
