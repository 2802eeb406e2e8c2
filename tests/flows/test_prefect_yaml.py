"""Every entry of prefect.yaml against the installed Prefect, and one of them for real: server, pool, worker, run."""

import copy
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.events.schemas.deployment_triggers import DeploymentTriggerTypes
from prefect.server.events.actions import RunDeployment
from prefect.settings import PREFECT_API_URL
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.hydration import HydrationContext, hydrate
from pydantic import TypeAdapter

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
    assert flow.validate_parameters(filled_in(flow, entry["parameters"])).keys() >= entry["parameters"].keys()


def filled_in(flow, parameters):
    """What the form of a flow asks for, filled in, with these parameters on top."""
    asked = parameter_schema(flow).required
    return dict.fromkeys(asked if "spec" not in parameters else (), "iris") | parameters


def test_a_schedule_of_an_entry_can_be_built_and_takes_its_parameters(entry):
    for schedule in entry.get("schedules", []):
        about = {key: schedule[key] for key in ("active", "slug", "parameters") if key in schedule}
        when = {key: value for key, value in schedule.items() if key not in about}
        built = DeploymentScheduleCreate.model_validate({"schedule": when, **about})
        # a key that Prefect does not know would be dropped without a word
        assert built.schedule.model_dump().keys() >= when.keys()
        flow_of(entry).validate_parameters({**entry["parameters"], **about.get("parameters", {})})


# what a trigger's event says -> the parameters of the run, beside those of the entry
TOLD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "deploy what follows a registered model": (
        {"event": {"payload": {"name": "fraud", "version": 7, "metrics": {}}}},
        {"model_name": "fraud", "model_version": 7},
    ),
    "deploy what follows a moved alias": (
        {"event": {"payload": {"name": "fraud", "version": None, "alias": "champion"}}},
        {"model_name": "fraud", "model_version": None, "alias": "champion"},
    ),
    "deploy what follows the model of a training run": (
        {"flow_run": {"parameters": {"model_name": "fraud", "trees": 5}}},
        {"model_name": "fraud"},
    ),
}
EVERY_TRIGGER = [(entry, trigger) for entry in ENTRIES for trigger in entry.get("triggers", [])]


@pytest.mark.parametrize(("entry", "trigger"), EVERY_TRIGGER, ids=[each["name"] for _, each in EVERY_TRIGGER])
def test_a_trigger_can_be_built_and_an_event_gives_its_run_what_it_takes(entry, trigger):
    built = TypeAdapter(DeploymentTriggerTypes).validate_python(trigger)
    assert built.model_dump().keys() >= trigger.keys()
    event, parameters = TOLD[trigger["name"]]
    assert rendered(trigger["parameters"], event) == parameters
    flow_of(entry).validate_parameters({**entry["parameters"], **parameters})


@pytest.mark.parametrize(("_", "trigger"), EVERY_TRIGGER, ids=[each["name"] for _, each in EVERY_TRIGGER])
def test_a_field_that_an_event_lacks_is_null_and_no_error_that_nobody_sees(_, trigger):
    nothing: dict[str, Any] = {"event": {"payload": {}}, "flow_run": {"parameters": {}}}
    assert set(rendered(trigger["parameters"], nothing).values()) == {None}


def rendered(templates, context):
    """What the server makes of a trigger's templates: https://docs.prefect.io/v3/concepts/event-triggers"""
    upgraded = copy.deepcopy(templates)
    RunDeployment._upgrade_v1_templates(upgraded)
    return hydrate(upgraded, HydrationContext(raise_on_error=True, render_jinja=True, jinja_context=context))


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
    environ = {
        **os.environ,
        "PREFECT_API_URL": PREFECT_API_URL.value(),
        "PREFECT_DEFAULT_WORK_POOL_NAME": "local",
    }
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
