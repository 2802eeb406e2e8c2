"""The guides' Python runs as it stands, block after block, and prints what they say."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from moorage import lifecycle
from moorage.site import Site

DOCS = Path(__file__).parents[1] / "docs"
GUIDES = ["create-a-deployment.md", "configure-a-predictor.md"]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder and a store of one's own; what was deployed is stopped afterwards."""
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    site = Site.from_env()
    yield site
    for view in lifecycle.deployments(site):
        lifecycle.stop(site, view.name)


@pytest.mark.parametrize("guide", GUIDES)
@pytest.mark.usefixtures("site")
def test_each_block_runs_and_prints_what_stands_under_it(guide):
    blocks = BLOCK.findall((DOCS / guide).read_text())
    assert blocks
    names: dict[str, object] = {"__name__": "guide"}
    for block in blocks:
        first, _, rest = block.partition("\n")
        if first.startswith("# ") and first.endswith(".py"):
            Path(first.removeprefix("# ")).write_text(rest)
            continue
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(block, guide, "exec"), names)  # noqa: S102 - that is what a reader does with it
        assert printed.getvalue().splitlines() == re.findall(r"^# (.*)$", block, re.MULTILINE)
