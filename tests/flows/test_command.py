"""`python -m flows deploy-model`, as a person types it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from moorage import lifecycle
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


def test_ctrl_c_ends_it_in_a_sentence(site, model, folder, server):
    (folder / "predictor.py").write_text("import time\ntime.sleep(600)\n" + DOUBLE)
    process = start(folder, "--register", model.path, **server)
    until(lambda: lifecycle.deployments(site) and lifecycle.view(site, "double").seen.stage.startswith("loading"))
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "Interrupted: what was in flight was taken back. Run it again to go on.\n"
