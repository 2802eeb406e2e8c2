"""Settings that lie on a real Prefect server, as a variable and as a secret block."""

import json
import os

import pytest
from prefect.blocks.system import Secret
from prefect.variables import Variable

from moorage.errors import CallerError
from tasks.acting_site import acting_site
from tasks.settings_by_name import BLOCK, VARIABLE, _taken, take_settings_by_name

pytestmark = pytest.mark.usefixtures("prefect_server")
HIDDEN = "wJalrXUtnFEMI"


@pytest.fixture(autouse=True)
def environ(monkeypatch, tmp_path):
    """An environment of its own, in which nothing was taken yet."""
    monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path), "MOORAGE_PROJECT": "team"})
    _taken.cache_clear()
    yield os.environ
    _taken.cache_clear()


def test_a_run_works_at_the_site_that_a_variable_describes_but_what_is_set_wins(environ):
    Variable.set("team_settings", {"MOORAGE_STORE": "s3://bucket/team", "MOORAGE_PROJECT": "other"}, overwrite=True)
    environ[VARIABLE] = "team_settings"
    settings = acting_site().settings
    assert (settings.store, settings.project) == ("s3://bucket/team", "team")


@pytest.mark.parametrize("as_text", [True, False], ids=["as text", "as an object"])
def test_what_is_secret_comes_from_a_block(environ, as_text):
    held = {"AWS_SECRET_ACCESS_KEY": HIDDEN}
    Secret(value=json.dumps(held) if as_text else held).save("team-store", overwrite=True)
    environ[BLOCK] = "team-store"
    take_settings_by_name()
    assert environ["AWS_SECRET_ACCESS_KEY"] == HIDDEN


def test_the_server_is_asked_once(environ):
    Variable.set("team_settings", {"MOORAGE_STORE": "s3://bucket/once"}, overwrite=True)
    environ[VARIABLE] = "team_settings"
    take_settings_by_name()
    Variable.unset("team_settings")
    del environ["MOORAGE_STORE"]
    take_settings_by_name()
    assert environ["MOORAGE_STORE"] == "s3://bucket/once"


@pytest.mark.parametrize(
    ("named_by", "said"), [(VARIABLE, "Prefect variable 'nobody'"), (BLOCK, "block secret/nobody")]
)
def test_one_that_is_not_there_is_named_with_what_names_it(environ, named_by, said):
    environ[named_by] = "nobody"
    with pytest.raises(CallerError, match=f"There is no {said}.*{named_by} names it.*Make it:"):
        take_settings_by_name()


@pytest.mark.parametrize("held", [HIDDEN, [HIDDEN], {"AWS_SECRET_ACCESS_KEY": {"value": HIDDEN}}], ids=str)
def test_what_holds_no_settings_is_refused_and_not_told(environ, held):
    Secret(value=held).save("spoilt", overwrite=True)
    environ[BLOCK] = "spoilt"
    with pytest.raises(CallerError, match="The block secret/spoilt does not hold settings") as refused:
        take_settings_by_name()
    assert HIDDEN not in str(refused.value)
