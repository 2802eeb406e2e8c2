"""Runs of a worker that are cancelled or killed: the last good revision serves on, and the history tells."""

import contextlib
import time

import psutil
import pytest
import yaml

from flows.prefect_api import PrefectApi
from flows.zombies import give_up_unbegun
from moorage import lifecycle, preparation
from moorage.deployment import DeploymentSpec
from moorage.ledger import Event
from moorage.predictor import ModelSource
from tests.flows.conftest import DOUBLE
from tests.flows.orchestrator import quiet_site
from tests.waiting import until

ENDLESS = "import time\ntime.sleep(600)\n" + DOUBLE
# The orchestrator's start may be among it, and ninety seconds of silence are.
pytestmark = pytest.mark.timeout(600)

# Heartbeats come every 30 s, and after three that did not come a run has crashed.
ZOMBIE_S = 240


@pytest.fixture
def site(orchestrator):
    return quiet_site(orchestrator)


@pytest.fixture
def specs(orchestrator, site, tmp_path, request):
    """A deployment that is live, and what it is to be replaced by, which never gets ready."""
    name = f"cut{abs(hash(request.node.name)) % 10_000}"
    (tmp_path / "factor").write_text("2")
    preparation.register(site, _spec(name, tmp_path, DOUBLE).model, ModelSource(path=str(tmp_path / "factor")))
    good, endless = _spec(name, tmp_path / "good", DOUBLE), _spec(name, tmp_path / "endless", ENDLESS)
    run = orchestrator.start("deploy-model", spec=good.model_dump(mode="json"))
    orchestrator.until_state(run, "Completed")
    yield good, endless
    lifecycle.stop(site, name)


def _spec(name, folder, script):
    folder.mkdir(exist_ok=True)
    (folder / "p.py").write_text(script)
    return DeploymentSpec.model_validate(
        {
            "name": name,
            "model": {"name": "cutoff"},
            "script_file": str(folder / "p.py"),
            "smoke_test": {"requests": [{"inputs": [[21]], "expect": [42]}]},
        }
    )


def begin(orchestrator, site, spec):
    """A run that waits for the revision that never gets ready; its id."""
    run = orchestrator.start("deploy-model", spec=spec.model_dump(mode="json"))
    until(
        lambda: site.ledger(spec.name).newest().event is Event.APPLIED and site.ledger(spec.name).state().candidate,
        timeout_s=90,
        what="the revision in flight",
    )
    time.sleep(1)
    return run


def answers(site, spec):
    return lifecycle.predict(site, spec.name, inputs=[[21]]).predictions == [42]


def told(site, spec):
    return [(entry.event, entry.revision) for entry in site.ledger(spec.name).history()]


def processes(orchestrator, words):
    """Of all that the orchestrator started, what has these words in its command line."""
    found = []
    for process in psutil.Process(orchestrator.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if words in " ".join(process.cmdline()):
                found.append(process)
    return found


def cancel(orchestrator, run):
    """As the button in the UI does."""
    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
    orchestrator.ask("POST", f"/flow_runs/{run}/set_state", state)


def send_sigterm(orchestrator, run):
    process_of(orchestrator, run).terminate()


@pytest.mark.parametrize(
    ("end", "ended"), [(cancel, "Cancelled"), (send_sigterm, "Crashed")], ids=["cancel", "SIGTERM"]
)
def test_a_run_that_is_told_to_end_takes_back_what_was_in_flight(orchestrator, site, specs, end, ended):
    good, endless = specs
    run = begin(orchestrator, site, endless)
    end(orchestrator, run)
    orchestrator.until_state(run, ended)
    until(lambda: told(site, good)[-1] == (Event.RESTORED, 1), timeout_s=60, what="the restore")
    assert answers(site, good)
    failed = site.ledger(good.name).history()[-2]
    assert (failed.event, failed.verdict and failed.verdict.cause) == (Event.FAILED, "INTERRUPTED")
    assert not site.ledger(good.name).state().quarantine


def test_a_run_that_is_killed_is_gone_on_with_by_the_next(orchestrator, site, specs):
    good, endless = specs
    run = begin(orchestrator, site, endless)
    process_of(orchestrator, run).kill()
    orchestrator.until_state(run, "Crashed")
    assert answers(site, good)
    assert site.ledger(good.name).state().candidate.number == 2
    again = orchestrator.start("deploy-model", spec=good.model_dump(mode="json"))
    orchestrator.until_state(again, "Completed")
    assert answers(site, good)
    assert site.ledger(good.name).state().candidate is None


def kill_both(worker, flow):
    """As a machine that goes down does."""
    worker.kill()
    flow.kill()


def stop_worker(worker, flow):
    """As a new version of the worker does: it takes its runs with it."""
    worker.terminate()


@pytest.mark.parametrize("end", [kill_both, stop_worker])
def test_a_worker_that_ends_with_its_runs_is_replaced_and_the_runs_have_crashed(orchestrator, site, specs, end):
    good, endless = specs
    run = begin(orchestrator, site, endless)
    (worker,) = processes(orchestrator, "worker start")
    flow = process_of(orchestrator, run)
    end(worker, flow)
    flow.wait(60)
    assert answers(site, good)
    again = orchestrator.start("deploy-model", spec=good.model_dump(mode="json"))
    orchestrator.until_state(again, "Completed")
    assert answers(site, good)
    orchestrator.until_state(run, "Crashed", timeout_s=ZOMBIE_S)


def test_a_worker_that_is_killed_alone_leaves_its_run_to_end_its_deploy(orchestrator, site, specs, tmp_path):
    good, _ = specs
    slow = _spec(good.name, tmp_path / "slow", "import time\ntime.sleep(20)\n" + DOUBLE)
    run = begin(orchestrator, site, slow)
    (worker,) = processes(orchestrator, "worker start")
    worker.kill()
    until(lambda: told(site, good)[-1] == (Event.PROMOTED, 2), timeout_s=90, what="the promotion")
    orchestrator.until_state(run, "Completed", "Crashed", timeout_s=ZOMBIE_S)
    assert answers(site, good)


def test_a_run_that_deploys_several_is_cancelled_and_the_next_goes_on(orchestrator, site, specs, tmp_path):
    good, endless = specs
    folder = tmp_path / "declared"
    folder.mkdir()
    for name in (good.name, f"{good.name}x"):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(_declared(endless, name)))
    run = orchestrator.start("redeploy-declared", folder=str(folder))
    in_flight = [site.ledger(name) for name in (good.name, f"{good.name}x")]
    until(
        lambda: all((history := ledger.history()) and history[-1].event is Event.APPLIED for ledger in in_flight),
        timeout_s=90,
        what="both in flight",
    )
    cancel(orchestrator, run)
    orchestrator.until_state(run, "Cancelled")
    assert answers(site, good)
    for name in (good.name, f"{good.name}x"):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(_declared(good, name)))
    orchestrator.until_state(orchestrator.start("redeploy-declared", folder=str(folder)), "Completed")
    assert {ledger.state().candidate for ledger in in_flight} == {None}
    assert answers(site, good)
    assert lifecycle.predict(site, f"{good.name}x", inputs=[[21]]).predictions == [42]
    lifecycle.stop(site, f"{good.name}x")


def _declared(spec, name):
    return {**spec.model_dump(mode="json", exclude_defaults=True), "name": name}


def test_a_run_whose_worker_is_killed_before_it_began_has_crashed_and_nothing_was_done(orchestrator, site, specs):
    good, endless = specs
    (worker,) = processes(orchestrator, "worker start")
    run = orchestrator.start("deploy-model", spec=endless.model_dump(mode="json"))
    until(lambda: orchestrator.run(run)["state_type"] == "PENDING", timeout_s=60, what="that the worker took it")
    worker.suspend()
    for process in (*worker.children(recursive=True), worker):
        process.kill()
    assert "It never began" in orchestrator.until_state(run, "Crashed")["state"]["message"]
    assert [event for event, _ in told(site, good)] == ["PROPOSED", "APPLIED", "PROVEN", "PROMOTED"]
    assert answers(site, good)
    again = orchestrator.start("deploy-model", spec=good.model_dump(mode="json"))
    orchestrator.until_state(again, "Completed")


def test_only_runs_that_have_had_their_time_to_begin_are_given_up(orchestrator, specs):
    good, _ = specs
    run = orchestrator.start("deploy-model", spec=good.model_dump(mode="json"))
    api = PrefectApi(orchestrator.api)
    while orchestrator.run(run)["state_type"] != "RUNNING":
        assert give_up_unbegun(api) == []
    orchestrator.until_state(run, "Completed")


def process_of(orchestrator, run):
    """The process that a run is."""
    (process,) = [each for each in processes(orchestrator, "prefect") if run in " ".join(_environ(each))]
    return process


def _environ(process):
    with contextlib.suppress(psutil.Error):
        return [f"{name}={value}" for name, value in process.environ().items() if "FLOW_RUN_ID" in name]
    return []
