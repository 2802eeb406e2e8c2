"""The `moorage` command as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = "from moorage.cli import main; main()"

FAILING = {
    "unknown deployment": ({}, ["deployment", "status", "roses"], "There is no deployment 'roses'"),
    "unknown deployment to stop": ({}, ["deployment", "stop", "roses"], "There is no deployment 'roses'"),
    "misspelt variable": ({"MOORAGE_HOEM": "/x"}, ["deployment", "list"], "MOORAGE_HOEM is not known"),
    "bad project": ({"MOORAGE_PROJECT": "a b"}, ["model", "list"], "Project name 'a b' is not allowed"),
    "unsupported store": ({"MOORAGE_STORE": "ftp://b"}, ["model", "list"], "Store URL 'ftp://b' has the scheme"),
}


def run_moorage(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as a process of its own."""
    environ = {**os.environ, "MOORAGE_HOME": str(tmp_path / "home"), **variables}
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(("variables", "arguments", "sentence"), FAILING.values(), ids=FAILING.keys())
def test_an_error_is_one_line_and_exit_code_1(tmp_path, variables, arguments, sentence):
    done = run_moorage(tmp_path, *arguments, **variables)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {sentence}")
    assert done.stderr.count("\n") == 1


def test_a_log_level_that_there_is_not_does_not_end_in_a_traceback(tmp_path):
    assert "Traceback" not in run_moorage(tmp_path, "deployment", "list", LOGLEVEL="chatty").stderr
