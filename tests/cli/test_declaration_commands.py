"""`moorage deployment plan|diff|apply|schema` over a real store, with a real model server on this machine."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from moorage import lifecycle
from moorage.cli import app
from moorage.deployment_schema import yaml_schema
from moorage.errors import CallerError, SomeFailed
from moorage.predictor import ModelSource
from moorage.project_files import upload
from tests.cli.terminal import moorage
from tests.serving.conftest import DOUBLE

ROOT = Path(__file__).parents[2]
CHECKED_IN = ROOT / "deployments" / "deployment.schema.json"
DECLARED = """\
name: double
model: {name: double}
script_file: p.py
smoke_test: {requests: [{inputs: [[21]], expect: [42]}]}
"""


@pytest.fixture
def model(site, tmp_path):
    """A model that multiplies, registered; what was deployed of it is stopped afterwards."""
    (tmp_path / "factor").write_text("2")
    yield site.registry.publish("double", ModelSource(path=str(tmp_path / "factor"))).model
    for view in lifecycle.deployments(site):
        lifecycle.stop(site, view.name)


@pytest.fixture
def declared(model, tmp_path):
    """The file that declares a deployment of it."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "p.py").write_text(DOUBLE)
    (folder / "double.yaml").write_text(DECLARED)
    return folder / "double.yaml"


def ended(code: int, *arguments: str) -> str:
    """What a command prints that ends with this code."""
    done = CliRunner().invoke(app, ["deployment", *arguments])
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_plan_tells_files_and_processes_and_ends_with_2_until_there_is_nothing_to_do(site, declared):
    planned = ended(2, "plan", "-f", str(declared))
    assert planned.startswith("double would be created\n  upload p.py, ")
    assert "start revision 1 with" in planned
    assert moorage("deployment", "apply", "-f", str(declared)).startswith("double: revision 1 is live at http://127")
    assert ended(0, "plan", "-f", str(declared)) == "double unchanged (revision 1 is live)\n"
    assert ended(0, "diff", "-f", str(declared)) == ""
    assert moorage("deployment", "apply", "-f", str(declared)).startswith(
        "double: nothing to do, revision 1 answers at"
    )
    assert lifecycle.predict(site, "double", inputs=[[4]]).predictions == [8]


def test_what_would_change_is_told_and_shown_line_by_line(declared):
    moorage("deployment", "apply", "-f", str(declared), "--reason", "first")
    declared.write_text(DECLARED + "env_vars: {THREADS: 2}\n")
    (declared.parent / "p.py").write_text(DOUBLE + "# more\n")
    planned = ended(2, "plan", "-f", str(declared))
    assert "  env_vars[THREADS]: nothing →" in planned
    assert "  artifact files: version 1 → a new one" in planned
    lines = ended(2, "diff", "-f", str(declared)).splitlines()
    assert lines[:2] == ["--- double, live", "+++ double, declared"]
    assert {"+env_vars:", "+- name: THREADS", "-  version: 1", "+  version: a new one"} <= set(lines)
    [told] = json.loads(ended(2, "plan", "-f", str(declared), "--json"))
    assert (told["action"], told["live"], [each["path"] for each in told["uploads"]]) == ("CHANGE", 1, ["p.py"])


def test_what_fails_is_taken_back_and_the_others_are_deployed(site, declared):
    moorage("deployment", "apply", "-f", str(declared))
    (declared.parent / "p.py").write_text("import nobody_has_this\n" + DOUBLE)
    (declared.parent / "q.py").write_text(DOUBLE)
    other = declared.with_name("other.yaml")
    other.write_text(DECLARED.replace("name: double\nmodel", "name: other\nmodel").replace("p.py", "q.py"))
    done = CliRunner().invoke(app, ["deployment", "apply", "-f", str(declared.parent)])
    assert isinstance(done.exception, SomeFailed)
    assert str(done.exception).startswith("1 of 2 failed: double.")
    assert "double: taken back, revision 1 serves on" in done.stderr
    assert "PACKAGE_MISSING at p.py:1" in done.stderr
    assert "other: revision 1 is live at" in done.stdout
    assert lifecycle.predict(site, "double", inputs=[[4]]).predictions == [8]


def test_what_somebody_stopped_is_deployed_when_its_file_is_named(site, declared):
    moorage("deployment", "apply", "-f", str(declared))
    lifecycle.stop(site, "double")
    assert "is stopped (revision 1 was live)" in ended(0, "plan", "-f", str(declared))
    assert "somebody stopped it" in moorage("deployment", "apply", "-f", str(declared.parent))
    assert "revision 1 is live" in moorage("deployment", "apply", "-f", str(declared))


@pytest.mark.parametrize("root", ["Projects", "/Projects"])
def test_a_script_may_lie_in_the_store(site, declared, root):
    uploaded = upload(site, declared.parent / "p.py")
    (declared.parent / "p.py").unlink()
    declared.write_text(DECLARED.replace("p.py", f"{root}/default/{uploaded}"))
    assert "upload p.py" in ended(2, "plan", "-f", str(declared))
    moorage("deployment", "apply", "-f", str(declared))
    assert ended(0, "plan", "-f", str(declared)) == "double unchanged (revision 1 is live)\n"
    site.store.delete(f"Projects/default/{uploaded}")
    assert "p.py' does not exist" in ended(1, "plan", "-f", str(declared))


def test_what_cannot_be_deployed_ends_a_plan_with_1(declared):
    declared.write_text(DECLARED + "artifact_version: 7\n")
    assert "double is refused" in ended(1, "plan", "-f", str(declared))


def test_with_an_error_in_one_file_nothing_is_done(site, declared):
    declared.with_name("bad.yaml").write_text("name: bad\ncolour: red\n")
    for command in ("plan", "diff", "apply"):
        with pytest.raises(CallerError, match=r"(?s)bad.yaml:2: colour: is not known.*Nothing was done"):
            moorage("deployment", command, "-f", str(declared.parent))
    assert lifecycle.deployments(site) == []


def test_the_schema_is_printed_and_written(tmp_path):
    moorage("deployment", "schema", "--output", str(tmp_path / "schema.json"))
    assert json.loads((tmp_path / "schema.json").read_text()) == yaml_schema()
    assert json.loads(moorage("deployment", "schema")) == yaml_schema()


@pytest.mark.parametrize("variables", ["{THREADS: 2, MODE: fast}", "[{name: THREADS, value: '2'}]"])
def test_the_schema_takes_what_is_declared_and_refuses_a_slip(variables):
    for file in sorted((ROOT / "deployments" / "models").glob("*.yaml")):
        plain = yaml.safe_load(file.read_text()) | {"env_vars": yaml.safe_load(variables)}
        jsonschema.validate(plain, yaml_schema())
        with pytest.raises(jsonschema.ValidationError, match="environmnet"):
            jsonschema.validate(plain | {"environmnet": "x"}, yaml_schema())


def test_a_declared_file_names_the_schema_for_editors():
    for file in sorted((ROOT / "deployments" / "models").glob("*.yaml")):
        first = file.read_text().splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (file.parent / first.partition("$schema=")[2]).resolve() == CHECKED_IN
