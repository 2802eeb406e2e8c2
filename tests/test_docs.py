"""What the docs show can be used as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore

from moorage.client.deployment import Deployment
from moorage.client.model import Model
from moorage.client.model_registry import ModelRegistry
from moorage.client.model_serving import ModelServing
from moorage.deployment import DeploymentSpec
from moorage.noun import Noun

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
BLOCKS = [
    (path.name, number, yaml.safe_load(text))
    for path in DOCS
    for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL))
]


@pytest.mark.parametrize(("name", "number", "shown"), BLOCKS, ids=[f"{name} {number}" for name, number, _ in BLOCKS])
def test_each_piece_of_yaml_is_what_it_says(name, number, shown):
    if "trigger" in shown:
        assert AutomationCore.model_validate(shown).enabled is False
    else:
        assert DeploymentSpec.model_validate(shown).name


def test_there_are_some():
    assert len(BLOCKS) >= 2


def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "docs", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "create_predictor" in (tmp_path / "reference" / "client.html").read_text()
    assert not [
        path for path in tmp_path.rglob("*.html") if re.search(r'<(script|link)[^>]*"https?://', path.read_text())
    ]


HANDLES = {"mr": ModelRegistry, "ms": ModelServing, "model": Model, "deployment": Deployment}


def test_what_is_named_of_the_client_is_there():
    told = (ROOT / "docs" / "from-hopsworks.md").read_text()
    named = set(re.findall(rf"`({'|'.join(HANDLES)})\.(\w+)", told))
    assert len(named) > 8
    assert [f"{handle}.{member}" for handle, member in sorted(named) if not hasattr(HANDLES[handle], member)] == []
    spellings = {name for noun in _nouns() for name in noun.spellings}
    assert {name for name in spellings if f"`{name}`" not in told} == set()


def _nouns() -> list[type[Noun]]:
    found = list(Noun.__subclasses__())
    return found + [inner for noun in found for inner in noun.__subclasses__()]
