"""The direction of imports: the contracts in `pyproject.toml` hold, they would notice, and little is loaded."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
LOADED = "import sys; before = set(sys.modules); import {}; print(*sorted(set(sys.modules) - before))"

FORBIDDEN = {
    "Prefect in what decides": ("moorage/rules.py", "import prefect"),
    "Prefect in the command line": ("moorage/cli/deployment_commands.py", "from prefect import flow"),
    "the operating system in what decides": ("moorage/rules.py", "import os"),
    "a clock in the derivation of a status": ("moorage/serving/local/status.py", "import time"),
    "upwards": ("moorage/store/base.py", "from moorage import rollout"),
    "upwards inside a function": ("moorage/settings.py", "def late():\n    from moorage import ledger"),
    "side by side": ("moorage/registry/keys.py", "import moorage.serving.base"),
    "the store in the loader": ("moorage/runtime/loader.py", "import moorage.store"),
    "the runtime in the command line": ("moorage/cli/deployment_commands.py", "import moorage.runtime.start"),
    "tasks in the library": ("moorage/lifecycle.py", "import tasks.step"),
    "flows in tasks": ("tasks/step.py", "import flows.deploy_model"),
    "work in flows": ("flows/deploy_model.py", "import moorage.store"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def copy(tmp_path):
    """The three packages and their contracts, to be spoilt."""
    for package in ("moorage", "tasks", "flows"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_run_in_one_direction():
    checked = lint(ROOT)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_an_unspoilt_copy_passes(copy):
    checked = lint(copy)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(("path", "line"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_an_import_against_the_direction_is_noticed_and_named(copy, path, line):
    with open(copy / path, "a") as file:
        file.write(f"\n\n{line}\n")
    checked = lint(copy)
    assert checked.returncode == 1
    assert f"{path.removesuffix('.py').replace('/', '.')} -> " in checked.stdout


def loaded_with(module: str) -> set[str]:
    """The top-level names of everything that importing a module loads."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(module)], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_moorage_loads_nothing_of_others():
    assert loaded_with("moorage") - sys.stdlib_module_names == {"moorage"}


def test_what_people_import_is_loaded_when_it_is_asked_for():
    done = subprocess.run(
        [sys.executable, "-c", "import moorage; print(dir(moorage), moorage.login, hasattr(moorage, 'lgoin'))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "'ModelSchema', 'PredictorResources'" in done.stdout
    assert re.search(r"<function login at \w+> False$", done.stdout.strip())


FRUGAL = {
    "moorage.serving.local.supervisor": {"prefect", "kserve", "kubernetes", "boto3", "httpx", "fastapi", "uvicorn"},
    "moorage.cli": {"prefect", "kserve", "kubernetes", "boto3", "fastapi", "uvicorn", "numpy", "pandas"},
    "moorage.client": {"prefect", "kserve", "kubernetes", "boto3", "fastapi", "uvicorn", "httpx", "numpy", "pandas"},
    "moorage.runtime.loader": {"prefect", "kserve", "kubernetes", "boto3", "httpx"},
    "tasks.recording": {"kserve", "kubernetes", "boto3"},
}


@pytest.mark.parametrize(("module", "spared"), FRUGAL.items(), ids=FRUGAL.keys())
def test_what_is_not_needed_is_not_loaded(module, spared):
    assert loaded_with(module) & spared == set()
