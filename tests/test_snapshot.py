"""What a process sees of itself; each of these is a process of its own, as a training run is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from moorage.snapshot import environment, git_commit

SEES = "from moorage.snapshot import {0}\nprint({0}())\n"


def run(*command: str | Path, **variables: str) -> str:
    environ = {name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"} | variables
    done = subprocess.run(
        [sys.executable, *command], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A training script that says which program it takes itself for."""
    (tmp_path / "train.py").write_text(SEES.format("running_program"))
    return tmp_path / "train.py"


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@localhost"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_environment_is_the_interpreter_and_its_packages_sorted():
    first, *packages = environment().splitlines()
    assert re.fullmatch(r"# Python 3\.\d+\.\d+\S* on (Linux|Darwin) \w+", first)
    assert all(re.fullmatch(r"[\w.-]+==\S+", line) for line in packages)
    names = [line.partition("==")[0].lower().replace("_", "-") for line in packages]
    assert names == sorted(set(names))
    assert f"pytest=={pytest.__version__}" in packages


def test_a_package_that_is_there_twice_is_told_as_it_is_imported(tmp_path):
    for folder, version in (("first", "1.0"), ("second", "2.0")):
        about = tmp_path / folder / "flowers-1.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Flowers\nVersion: {version}\n")
    (tmp_path / "first" / "broken-1.dist-info").mkdir()
    path = os.pathsep.join([str(tmp_path / "first"), str(tmp_path / "second"), os.environ.get("PYTHONPATH", "")])
    lines = run("-c", SEES.format("environment"), PYTHONPATH=path).splitlines()
    assert [line for line in lines if line.lower().startswith(("flowers", "broken"))] == ["Flowers==1.0"]


def test_the_running_script_is_the_program(script):
    assert run(script) == str(script)


def test_a_script_that_a_notebook_starts_is_the_program(script, tmp_path):
    (tmp_path / "notebook.ipynb").write_text("{}")
    assert run(script, JPY_SESSION_NAME=str(tmp_path / "notebook.ipynb")) == str(script)


def test_a_notebook_is_the_program(tmp_path):
    (tmp_path / "notebook.ipynb").write_text("{}")
    notebook = str(tmp_path / "notebook.ipynb")
    assert run("-c", SEES.format("running_program"), JPY_SESSION_NAME=notebook) == notebook


def test_what_another_program_runs_is_the_program(script):
    assert run("-c", f"import runpy; runpy.run_path({str(script)!r})") == str(script)


def test_a_prompt_has_no_program():
    assert run("-c", SEES.format("running_program")) == "None"


def test_a_program_that_is_too_large_to_be_kept_is_none(script):
    with script.open("a") as file:
        file.write("#" * (16 << 20))
    assert run(script) == "None"


def test_the_commit_is_the_one_that_is_checked_out(script):
    git(script.parent, "init", "--quiet")
    assert git_commit(script.parent) == ""
    git(script.parent, "add", "train.py")
    git(script.parent, "commit", "--quiet", "-m", "Train")
    assert git_commit(script.parent) == git(script.parent, "rev-parse", "HEAD")


def test_without_a_repository_and_without_git_there_is_no_commit(tmp_path):
    ask = (
        f"from pathlib import Path; from moorage.snapshot import git_commit; print(git_commit(Path({str(tmp_path)!r})))"
    )
    assert run("-c", ask) == ""
    assert run("-c", ask, PATH=str(tmp_path)) == ""
    assert git_commit(tmp_path / "nowhere") == ""


def test_the_flow_run_is_the_one_that_a_worker_names():
    assert run("-c", SEES.format("flow_run"), PREFECT__FLOW_RUN_ID="7") == "7"
    assert run("-c", SEES.format("flow_run")) == ""
