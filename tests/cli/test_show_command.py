"""`moorage deployment show`: what is printed declares what runs."""

import json

import pytest
import yaml

from moorage import lifecycle
from moorage.declaration import parse_specification
from moorage.deploying import deploy
from moorage.errors import NotFound, ProvisionFailed
from moorage.predictor import ModelSource
from tests.cli.terminal import moorage
from tests.serving.conftest import DOUBLE
from tests.values import a_spec


@pytest.fixture
def here(site, tmp_path, monkeypatch):
    """A folder with a script, and a model; what was deployed is stopped afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.py").write_text(DOUBLE)
    (tmp_path / "broken.py").write_text(DOUBLE.replace("* self.factor", "* self.no_such"))
    (tmp_path / "factor").write_text("2")
    site.registry.publish("double", ModelSource(path="factor", input_example=[[21]]))
    yield site
    for view in lifecycle.deployments(site):
        lifecycle.stop(site, view.name)


SPEC = a_spec(name="double", model={"name": "double"}, script_file="p.py", env_vars={"THREADS": "2"})


def test_what_is_shown_declares_just_what_runs(here):
    deployed = deploy(here, SPEC)
    shown = moorage("deployment", "show", "double")
    assert "# double: Running (answering); revision 1 answers\n" in shown
    assert f"# ask it: {deployed.endpoint}/v1/models/double:predict\n" in shown
    assert "# artifact version 1: p.py\n" in shown
    again = deploy(here, parse_specification(yaml.safe_load(shown), "double"))
    assert again.is_unchanged


def test_an_earlier_revision_and_json(here):
    deploy(here, SPEC)
    deploy(here, SPEC.model_copy(update={"env_vars": ()}))
    assert "THREADS" not in moorage("deployment", "show", "double")
    earlier = moorage("deployment", "show", "double", "--revision", "1")
    assert "revision 1 does not answer" in earlier
    assert "THREADS" in earlier
    plain = json.loads(moorage("deployment", "show", "double", "--json"))
    assert (plain["revision"], plain["state"], plain["specification"]["name"]) == (2, "Running", "double")


def test_what_was_never_proven_is_shown_too(here):
    with pytest.raises(ProvisionFailed):
        deploy(here, SPEC.model_copy(update={"script_file": "broken.py"}))
    assert "revision 1 does not answer" in moorage("deployment", "show", "double")


def test_what_there_is_not_is_told_with_where_to_look(here):
    deploy(here, SPEC)
    with pytest.raises(NotFound, match=r"has no revision 7\. See `moorage deployment history double --deploys`"):
        moorage("deployment", "show", "double", "--revision", "7")
