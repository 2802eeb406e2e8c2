"""What the README shows does what it says: each block of code and of commands, in a folder of its own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import joblib
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from moorage import lifecycle
from moorage.declaration import read_specification
from moorage.site import Site

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SCRIPT, REGISTRY, SERVED = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
[DECLARED] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for line in README.splitlines() if line.startswith(".venv/bin/")]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the README's script in it; what was deployed is stopped afterwards."""
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "predictor.py").write_text(SCRIPT)
    site = Site.from_env()
    yield tmp_path
    for view in lifecycle.deployments(site):
        lifecycle.stop(site, view.name)


def trained(folder: Path, answers: list[object], rows: list[list[float]]) -> Path:
    """A model that was trained to give these answers for these rows."""
    folder.mkdir(parents=True)
    joblib.dump(LogisticRegression(max_iter=1000).fit(rows, answers), folder / "model.joblib")
    return folder


def test_what_a_notebook_types(here):
    rows = [[12.5, 3.0], [900.0, 40.0]]
    trained(here / "fraud_model", [0, 1], rows)
    names: dict[str, object] = {"__name__": "notebook", "X": rows}
    exec(compile(REGISTRY + SERVED, "README.md", "exec"), names)  # noqa: S102 - that is what a reader does with it
    said = re.search(r"deployment.predict\(.*\)  # (.*)", SERVED)
    assert said is not None
    deployment = names["deployment"]
    assert str(deployment.predict(inputs=[[12.5, 3]])) == said[1]  # type: ignore[attr-defined]
    live = lifecycle.view(Site.from_env(), "fraud").revision
    assert live is not None
    assert (live.number, live.env_vars) == (3, ())


def test_what_a_terminal_is_told(here):
    iris = load_iris()
    folder = trained(here / "path" / "to" / "model", list(iris.target_names[iris.target]), iris.data.tolist())
    (here / "deployments" / "models" / "iris").mkdir(parents=True)
    (here / "deployments" / "models" / "iris" / "predictor.py").write_text(SCRIPT)
    declared = here / "deployments" / "models" / "iris.yaml"
    declared.write_text(DECLARED)
    assert read_specification(declared).name == "iris"
    deploy, predict = COMMANDS
    assert "revision 1 of iris is live" in told(deploy, here)
    assert folder.exists()
    assert "setosa" in told(predict, here)
    assert "nothing to do" in told(deploy, here)


def told(line: str, folder: Path) -> str:
    """What the command prints, run in that folder by the Python that runs this test."""
    program, *arguments = shlex.split(line)
    command = [str(Path(sys.executable).with_name(Path(program).name)), *arguments]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_other_command_shown_is_one_that_there_is():
    shown = set(re.findall(r"`(moorage (?:deployment|model) \w+)", README))
    commands = (ROOT / "docs" / "commands.md").read_text()
    assert len(shown) > 15
    assert [command for command in sorted(shown) if f"### `{command}`" not in commands] == []
