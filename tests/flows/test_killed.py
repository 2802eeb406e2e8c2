"""kill -9 and Ctrl-C at any point of a flow: users are answered, and the next run goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from prefect.settings import PREFECT_API_URL

from flows.deploy_model import deploy_model
from moorage import lifecycle
from moorage.ledger import Event
from moorage.startup import Cause
from tests.flows.conftest import DOUBLE
from tests.waiting import until

ROOT = Path(__file__).parents[2]
TRIPLE = "import time\ntime.sleep(0.3)\n" + DOUBLE.replace("* self.factor", "* (self.factor + 1)")
SLOW = TRIPLE.replace("0.3", "600")
ANSWERS_63 = {"requests": [{"inputs": [[21]], "expect": [63]}]}

MOMENTS = [
    ("step_began", "register model"),
    ("step_began", "build artifact version"),
    ("step_began", "provision predictor"),
    ("step_began", "wait for ready"),
    ("stage", "loading the predictor script"),
    ("step_began", "smoke test"),
    ("step_began", "promote revision"),
    ("step_ended", "promote revision"),
]

pytestmark = pytest.mark.usefixtures("prefect_server")


def start_flow(tmp_path, spec, *arguments):
    file = tmp_path / "spec.json"
    file.write_text(spec.model_dump_json())
    command = [sys.executable, str(ROOT / "tests/flows/killed_flow.py"), str(file), *arguments]
    environ = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value(), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def model_servers(site):
    """Every model server process of this test's home, whoever started it."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        environ = process.info["environ"] or {}
        if "moorage.runtime" in (process.info["cmdline"] or []) and str(site.settings.home) in str(environ):
            found.append(process.pid)
    return found


@pytest.mark.parametrize(("kind", "moment"), MOMENTS, ids=[" ".join(moment) for moment in MOMENTS])
def test_the_run_after_a_kill_goes_on_and_one_server_is_left(site, model, write_spec, tmp_path, kind, moment):
    deploy_model(write_spec(), model_files=model)
    spec = write_spec(TRIPLE, smoke_test=ANSWERS_63)
    killed = start_flow(tmp_path, spec, kind, moment)
    assert killed.wait(timeout=60) == -signal.SIGKILL
    assert lifecycle.predict(site, "double", inputs=[[21]]).predictions in ([42], [63])
    report = deploy_model(spec)
    assert report.revision == 2
    assert lifecycle.predict(site, "double", inputs=[[21]]).predictions == [63]
    until(lambda: len(model_servers(site)) == 1, timeout_s=60, what="the end of the old server")
    state = site.ledger("double").state()
    assert (state.live.number, state.candidate, state.last_number) == (2, None, 2)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "cancel"])
def test_an_interrupted_wait_takes_the_revision_back_and_does_not_quarantine_it(
    site, model, write_spec, tmp_path, signum
):
    deploy_model(write_spec(), model_files=model)
    running = start_flow(tmp_path, write_spec(SLOW), "step_began", "never")
    until(lambda: lifecycle.view(site, "double").seen.stage == "loading the predictor script", timeout_s=60)
    running.send_signal(signum)
    assert running.wait(timeout=60) != 0
    entries = lifecycle.history(site, "double")
    assert [entry.event for entry in entries[-2:]] == [Event.FAILED, Event.RESTORED]
    assert [entry.verdict.cause for entry in entries if entry.verdict] == [Cause.INTERRUPTED]
    assert site.ledger("double").state().quarantine == {}
    assert lifecycle.predict(site, "double", inputs=[[21]]).predictions == [42]
    until(lambda: len(model_servers(site)) == 1, timeout_s=60, what="the end of the slow server")


def test_a_killed_model_server_is_started_again(site, model, write_spec):
    deploy_model(write_spec(), model_files=model)
    [pid] = lifecycle.view(site, "double").seen.processes
    os.kill(int(pid), signal.SIGKILL)
    until(lambda: lifecycle.view(site, "double").seen.processes not in ((), (pid,)), timeout_s=60)
    assert lifecycle.predict(site, "double", inputs=[[21]]).predictions == [42]
    assert lifecycle.view(site, "double").seen.restarts == 1


def test_a_killed_supervisor_is_told_and_start_mends_it(site, model, write_spec):
    deploy_model(write_spec(), model_files=model)
    [pid] = lifecycle.view(site, "double").seen.processes
    os.kill(psutil.Process(int(pid)).ppid(), signal.SIGKILL)
    verdict = until(lambda: lifecycle.view(site, "double").seen.verdict)
    assert (verdict.cause, verdict.mend) == (Cause.SUPERVISOR_GONE, "Run `moorage deployment start double`.")
    assert lifecycle.predict(site, "double", inputs=[[21]]).predictions == [42]
    seen = lifecycle.start(site, "double")
    assert (seen.verdict, seen.processes) == (None, (pid,))
    assert model_servers(site) == [int(pid)]


def test_stop_ends_a_server_whose_supervisor_was_killed(site, model, write_spec):
    deploy_model(write_spec(), model_files=model)
    [pid] = lifecycle.view(site, "double").seen.processes
    os.kill(psutil.Process(int(pid)).ppid(), signal.SIGKILL)
    until(lambda: lifecycle.view(site, "double").seen.verdict)
    lifecycle.stop(site, "double")
    until(lambda: model_servers(site) == [], what="the end of the orphan")


def test_a_deploy_mends_a_killed_supervisor(site, model, write_spec):
    deploy_model(write_spec(), model_files=model)
    [pid] = lifecycle.view(site, "double").seen.processes
    os.kill(psutil.Process(int(pid)).ppid(), signal.SIGKILL)
    until(lambda: lifecycle.view(site, "double").seen.verdict)
    deploy_model(write_spec())
    assert lifecycle.view(site, "double").seen.verdict is None
