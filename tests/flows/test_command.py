"""`python -m flows deploy-model`, as a person types it."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path

import psutil
import pytest
from prefect.settings import PREFECT_API_URL

from moorage import lifecycle
from moorage.site import Site
from tests.flows.conftest import DOUBLE
from tests.waiting import until

ROOT = Path(__file__).parents[2]
YAML = """
name: double
model: {name: double}
script_file: predictor.py
smoke_test: {requests: [{inputs: [[21]], expect: [42]}]}
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "double.yaml").write_text(YAML)
    (tmp_path / "predictor.py").write_text(DOUBLE)
    return tmp_path


def start(folder, *arguments, **environ):
    command = [sys.executable, "-m", "flows", "deploy-model", str(folder / "double.yaml"), *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder, *arguments, **environ):
    """Exit code, standard output, standard error."""
    process = start(folder, *arguments, **environ)
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


@pytest.fixture
def server(prefect_server):
    return {"PREFECT_API_URL": PREFECT_API_URL.value()}


def test_a_model_goes_online_without_any_prefect_server(site, model, folder):
    home = {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": ""}
    code, out, err = run(folder, "--register", model.path, **home)
    assert (code, err) == (0, "")
    assert "✓ promote revision" in out
    assert out.rstrip().endswith(f"{lifecycle.view(site, 'double').seen.endpoint}/v1/models/double:predict")


def test_a_broken_script_is_told_with_its_verdict_and_no_traceback_of_ours(site, model, folder, server):
    (folder / "predictor.py").write_text("class Predictor:\n    def predict(self, inputs):\n        1 / 0\n")
    code, out, err = run(folder, "--register", model.path, **server)
    assert code == 1
    assert "✗ wait for ready" in out
    assert err.startswith("PREDICT_ERROR at predictor.py:3\nZeroDivisionError: division by zero.")
    assert "moorage" not in err


def test_a_broken_rule_is_told_in_sentences(site, folder, server):
    (folder / "double.yaml").write_text(YAML.replace("predictor.py", "nowhere.py"))
    code, _, err = run(folder, **server)
    assert code == 1
    assert err.startswith("Error: The specification of deployment 'double' breaks 2 rules:\n  - model: ")
    assert "Traceback" not in err


SLOW = "import time\ntime.sleep(600)\n" + DOUBLE
TAKEN_BACK = "Interrupted: what was in flight was taken back. Run it again to go on.\n"


def until_loading(site):
    # A server of Prefect's own, with a database of its own, takes half a minute on a busy machine.
    until(
        lambda: lifecycle.deployments(site) and lifecycle.view(site, "double").seen.stage.startswith("loading"),
        timeout_s=90,
        what="loading the script",
    )


def left_of(group):
    """What still runs of a process group: supervisors have one of their own, Prefect's server has not."""
    return [process for process in psutil.process_iter() if process.is_running() and _group_of(process.pid) == group]


def _group_of(pid):
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def test_a_project_is_named_as_in_every_other_command(site, model, folder, server):
    code, _, err = run(folder, "--register", model.path, "--project", "team_a", **server)
    assert (code, err) == (0, "")
    theirs = Site.from_env(project="team_a")
    assert lifecycle.view(theirs, "double").seen.endpoint
    assert lifecycle.deployments(site) == []
    lifecycle.stop(theirs, "double")


def test_a_project_that_cannot_be_is_told_before_anything_is_started(folder):
    code, _, err = run(folder, "--project", "a/b")
    assert (code, err.startswith("Error: Project name 'a/b' is not allowed.")) == (1, True)


def test_a_kill_takes_back_and_leaves_no_server_of_prefects(site, model, folder):
    (folder / "predictor.py").write_text(SLOW)
    process = start(folder, "--register", model.path, PREFECT_HOME=str(folder / "prefect"), PREFECT_API_URL="")
    until_loading(site)
    process.terminate()
    _, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (143, TAKEN_BACK)
    assert lifecycle.view(site, "double").seen.stage != "loading"
    assert left_of(process.pid) == []


def test_a_closed_terminal_takes_back(site, model, folder, server):
    (folder / "predictor.py").write_text(SLOW)
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "flows", "deploy-model", str(folder / "double.yaml"), "--register", model.path]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **server},
        stdin=inside,
        stdout=inside,
        stderr=inside,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(inside)
    until_loading(site)
    os.close(terminal)
    assert process.wait(timeout=100) == 129
    assert not lifecycle.view(site, "double").seen.stage.startswith("loading")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_an_end_before_anything_was_begun_says_so(folder, number):
    (folder / "double.yaml").unlink()
    os.mkfifo(folder / "double.yaml")
    process = start(folder)
    # it reads the specification now, and waits for the rest of it
    with (folder / "double.yaml").open("w"):
        os.killpg(process.pid, number)
        _, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (128 + number, "Interrupted: nothing was begun.\n")


def test_many_ctrl_c_end_in_the_same_sentence(site, model, folder, server):
    (folder / "predictor.py").write_text(SLOW)
    process = start(folder, "--register", model.path, **server)
    until_loading(site)
    for _ in range(4):
        os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (130, TAKEN_BACK)


def test_ctrl_c_ends_it_in_a_sentence(site, model, folder, server):
    (folder / "predictor.py").write_text("import time\ntime.sleep(600)\n" + DOUBLE)
    process = start(folder, "--register", model.path, **server)
    until_loading(site)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "Interrupted: what was in flight was taken back. Run it again to go on.\n"
