"""What people and events start, on a real server with a real worker: events, forms, approval."""

import contextlib
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from moorage import lifecycle
from moorage.errors import NotFound
from moorage.predictor import ModelSource
from tests.flows.conftest import DOUBLE
from tests.flows.orchestrator import ROOT, quiet_site, site_of_runs
from tests.waiting import until

# The orchestrator's start may be among it.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def site(orchestrator):
    """The site of the worker's runs, as a trainer elsewhere opens it."""
    with site_of_runs(orchestrator) as site:
        yield site


@pytest.fixture(scope="module")
def folder(tmp_path_factory, orchestrator):
    """Declares a deployment that follows the newest version of a model; what events start looks here."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "p.py").write_text(DOUBLE)
    (folder / "double.yaml").write_text("name: double\nmodel: {name: double}\nscript_file: p.py\n")
    deployment = orchestrator.deployment("deploy-registered-model")
    orchestrator.ask("PATCH", f"/deployments/{deployment['id']}", {"parameters": {"folder": str(folder)}})
    return folder


def publish(site, tmp_path, factor):
    (tmp_path / "factor").write_text(str(factor))
    return site.registry.publish("double", ModelSource(path=str(tmp_path / "factor"), input_example=[[21]]))


def answer(site):
    with contextlib.suppress(NotFound):
        return lifecycle.predict(site, "double", inputs=[[21]]).predictions
    return None


def ended(orchestrator, name, count):
    """The newest run of a Prefect deployment, once so many have ended."""
    runs = orchestrator.until_runs(name, count)
    return orchestrator.until_state(runs[-1]["id"], "Completed", "Failed")


def test_a_registered_model_is_deployed_by_its_event_and_the_run_says_what_made_it(
    orchestrator, site, folder, tmp_path
):
    publish(site, tmp_path, 2)
    run = ended(orchestrator, "deploy-registered-model", 1)
    assert (run["state"]["name"], run["created_by"]["type"]) == ("Completed", "AUTOMATION")
    assert run["parameters"]["model_name"] == "double"
    assert run["parameters"]["model_version"] == 1
    assert answer(site) == [42]
    actors = {entry.actor for entry in lifecycle.history(site, "double")}
    assert actors == {f"automation deploy what follows a registered model, run {run['name']}"}


def test_the_next_version_replaces_it_and_a_roll_back_waits_for_approval(orchestrator, site, folder, tmp_path):
    publish(site, tmp_path, 3)
    assert ended(orchestrator, "deploy-registered-model", 2)["state"]["name"] == "Completed"
    assert answer(site) == [63]
    started = orchestrator.start("roll-back", deployment="double", reason="too high", needs_approval=True)
    orchestrator.until_state(started, "Paused")
    assert answer(site) == [63]
    orchestrator.ask(
        "POST", f"/flow_runs/{started}/resume", {"run_input": {"approve": True, "by": "ada", "comment": "go on"}}
    )
    orchestrator.until_state(started, "Completed")
    assert answer(site) == [42]
    reasons = [entry.reason for entry in lifecycle.history(site, "double")]
    assert "back to revision 1; too high; approved by ada: go on" in reasons
    assert lifecycle.history(site, "double")[-1].actor.startswith("by hand, run ")


def test_what_is_not_approved_is_not_done(orchestrator, site):
    started = orchestrator.start("retire-deployment", deployment="double")
    orchestrator.until_state(started, "Paused")
    orchestrator.ask("POST", f"/flow_runs/{started}/resume", {"run_input": {"approve": False, "by": "grace"}})
    run = orchestrator.until_state(started, "Failed")
    assert "Not approved by grace." in run["state"]["message"]
    assert answer(site) == [42]


def test_versions_are_freed_once_somebody_has_seen_which(orchestrator, site, tmp_path):
    for factor in (2, 3, 4):
        (tmp_path / "factor").write_text(str(factor))
        quiet_site(orchestrator).registry.publish("waste", ModelSource(path=str(tmp_path / "factor")))
    started = orchestrator.start("collect-garbage", model="waste", keep=1, dry_run=False, needs_approval=True)
    orchestrator.until_state(started, "Paused")
    assert len(site.registry.versions("waste")) == 3
    orchestrator.ask("POST", f"/flow_runs/{started}/resume", {"run_input": {"approve": True, "by": "ada"}})
    orchestrator.until_state(started, "Completed")
    assert [model.version for model in site.registry.versions("waste")] == [3]
    deletions = site.registry.references("waste").history()[-1]
    assert deletions.reason == "only the newest 1 are kept; approved by ada"
    assert deletions.actor.startswith("by hand, run collect-garbage-waste")


def test_an_event_by_hand_without_prefect_starts_a_run_too(orchestrator, site, folder):
    moorage = Path(sys.executable).with_name("moorage")
    told = subprocess.run(
        [moorage, "deployment", "trigger", "double"],
        env={**os.environ, **orchestrator.environ},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "moorage.model.registered posted to" in told.stdout
    assert ended(orchestrator, "deploy-registered-model", 3)["state"]["name"] == "Completed"
    assert answer(site) == [63]


def test_an_event_without_a_name_fails_its_run_and_the_run_says_so(orchestrator):
    event = {
        "id": str(uuid.uuid4()),
        "event": "moorage.model.registered",
        "resource": {"prefect.resource.id": "moorage.model.default.nobody"},
        "occurred": "2026-01-01T00:00:00Z",
        "payload": {"version": 1},
    }
    orchestrator.ask("POST", "/events", [event])
    run = ended(orchestrator, "deploy-registered-model", 4)
    assert run["state"]["name"] == "Failed"
    assert "The event names no model." in run["state"]["message"]


@pytest.fixture
def training_trigger(orchestrator):
    """The automation that prefect.yaml has switched off, on, as its page in the UI does it; off again afterwards."""
    wanted = {"automations": {"name": {"any_": ["deploy what follows the model of a training run"]}}}
    (found,) = orchestrator.ask("POST", "/automations/filter", wanted)
    orchestrator.ask("PATCH", f"/automations/{found['id']}", {"enabled": True})
    yield found["name"]
    orchestrator.ask("PATCH", f"/automations/{found['id']}", {"enabled": False})


def started_by(orchestrator, automation):
    """The run of `deploy-registered-model` that an automation started, once it has ended."""

    def look():
        runs = orchestrator.runs("deploy-registered-model")
        return next((run for run in runs if (run["created_by"] or {}).get("display_value") == automation), None)

    run = until(look, timeout_s=60, what=f"a run by {automation}", poll_s=0.2)
    return orchestrator.until_state(run["id"], "Completed", "Failed")


def test_an_alias_that_moves_starts_a_run_for_what_follows_it(orchestrator, site, folder):
    follower = folder / "follower.yaml"
    follower.write_text("name: follower\nmodel: {name: double, version: champion}\nscript_file: p.py\n")
    site.registry.references("double").move_aliases({"champion": 1})
    run = started_by(orchestrator, "deploy what follows a moved alias")
    assert (run["state"]["name"], run["parameters"]["alias"]) == ("Completed", "champion")
    assert lifecycle.predict(site, "follower", inputs=[[21]]).predictions == [42]
    follower.unlink()


def test_a_training_run_that_completes_starts_a_run_for_its_model(orchestrator, site, folder, training_trigger):
    orchestrator.until_state(orchestrator.start("train-iris", model_name="trained", trees=5), "Completed")
    run = started_by(orchestrator, training_trigger)
    assert (run["state"]["name"], run["parameters"]["model_name"]) == ("Completed", "trained")
    assert run["parameters"].get("model_version") is None


def test_runs_whose_process_is_gone_are_looked_out_for_once(orchestrator):
    command = [sys.executable, "-m", "flows", "watch-for-zombies"]
    environ = {**os.environ, **orchestrator.environ}
    told = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "marks runs as crashed whose process is gone" in told.stdout
    found = orchestrator.ask("POST", "/automations/filter", {})
    watching = [each for each in found if each["trigger"].get("expect") == ["prefect.flow-run.*"]]
    assert [each["enabled"] for each in watching] == [True]
    assert watching[0]["actions"][0]["state"] == "CRASHED"
