"""What the docs show can be used as it stands."""

import re
from pathlib import Path

import pytest
import yaml
from prefect.events.schemas.automations import AutomationCore

from moorage.deployment import DeploymentSpec

DOCS = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
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
