"""What comes before a rollout, with a real store."""

import os
from pathlib import Path

import pytest

from moorage import preparation
from moorage.deployment import SmokeRequest
from moorage.errors import InvalidName, InvalidSpec, NotFound
from moorage.ledger import Change, Event, LedgerState
from moorage.predictor import Framework, ModelRef, ModelServer, ModelSource, ServingTool
from moorage.settings import Settings
from moorage.site import Site
from tests.values import a_revision, a_spec

SCRIPT = "class Predictor:\n    def predict(self, inputs):\n        return inputs\n"
REF = ModelRef(name="iris_classifier")


@pytest.fixture
def site(tmp_path):
    return Site(Settings(home=tmp_path / "home"), "ada@lovelace")


@pytest.fixture
def source(tmp_path):
    """What training saved."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_text("2")
    return ModelSource(path=str(folder), framework=Framework.SKLEARN, input_example=[[21]])


@pytest.fixture
def spec(tmp_path):
    """Makes a specification around a script."""

    def spec(text: str = SCRIPT, **changes):
        path = tmp_path / "predictor.py"
        path.write_text(text)
        return a_spec(**({"script_file": str(path)} | changes))

    return spec


def stored(site: Site) -> list[Path]:
    return sorted(site.settings.home.glob("**/*"))


def prepared(site, spec, source):
    """The draft that a specification and a model come to."""
    model = preparation.register(site, spec.model, source)
    artifact = preparation.build_artifact_version(site, spec, model)
    return preparation.draft_revision(site, spec, model, artifact)


def test_a_sound_specification_passes_and_leaves_nothing_behind(site, spec, source):
    preparation.check(site, spec(), source)
    assert stored(site) == []


def test_a_registered_model_needs_no_files(site, spec, source):
    preparation.register(site, REF, source)
    preparation.check(site, spec())
    assert preparation.gather_facts(site, spec()).framework is Framework.SKLEARN


BAD_MODEL = {
    "no such folder": ({"path": "/nowhere/model"}, "There is no model at '/nowhere/model'"),
    "empty folder": ({"path": "{empty}"}, "holds no file"),
    "link into somewhere else": ({"path": "{linked}"}, "'weights' is a symbolic link"),
    "metric that is no number": (
        {"metrics": {"accuracy": float("nan")}},
        "Metrics are no finite numbers: 'accuracy' is nan",
    ),
    "endless metric": ({"metrics": {"loss": float("inf")}}, "Metrics are no finite numbers: 'loss' is inf"),
    "input example that is no JSON": ({"input_example": [[float("nan")]]}, "input example cannot be written as JSON"),
    "input example of half a megabyte": ({"input_example": "x" * 500_000}, "input example is 500,002 bytes"),
}


@pytest.mark.parametrize(("change", "message"), BAD_MODEL.values(), ids=BAD_MODEL.keys())
def test_a_model_that_cannot_be_published_is_told_before_anything_is_written(
    site, spec, source, tmp_path, change, message
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/weights").symlink_to("/etc/hostname")
    if "path" in change:
        change = {"path": change["path"].format(empty=tmp_path / "empty", linked=tmp_path / "linked")}
    with pytest.raises(InvalidSpec, match=f"breaks one rule:\n  - model: .*{message}"):
        preparation.check(site, spec(), source.model_copy(update=change))
    assert stored(site) == []


BAD_SCRIPT = {
    "syntax error": ("x = 1\nclass Predictor(:\n", r"predictor.py:2: SyntaxError: .*`class Predictor\(:`"),
    "no class": ("class Iris:\n    pass\n", "predictor.py.* has no class Predictor: it has only Iris"),
    "empty": ("", "predictor.py.* has no class Predictor: it has no class at all"),
    "no predict": ("\n\nclass Predictor:\n    pass\n", "predictor.py:3: Class Predictor has no method predict"),
    "NUL bytes": ("\0", "predictor.py.*: (Value|Syntax)Error: source code .*null bytes"),
}


@pytest.mark.parametrize(("text", "message"), BAD_SCRIPT.values(), ids=BAD_SCRIPT.keys())
def test_a_script_that_cannot_be_served_is_told_before_anything_is_written(site, spec, source, text, message):
    with pytest.raises(InvalidSpec, match=f"breaks one rule:\n  - script_file: {message}"):
        preparation.check(site, spec(text), source)
    assert stored(site) == []


BAD_SPEC = {
    "script missing": ({"script_file": "nowhere/predictor.py"}, "script_file: 'nowhere/predictor.py' is not there"),
    "script is a folder": ({"script_file": "/"}, "script_file: '/' is not there"),
    "script with a NUL in its path": ({"script_file": "a\0b.py"}, "script_file: .* is not there"),
    "configuration missing": ({"config_file": "nowhere.json"}, "config_file: 'nowhere.json' is not there"),
    "no script": ({"script_file": None}, "script_file: no predictor script was given"),
    "version together with files": (
        {"model": {"name": "iris_classifier", "version": 3}},
        "model: Version 3 of model 'iris_classifier' was asked for together with files",
    ),
    "alias together with files": (
        {"model": {"name": "iris_classifier", "version": "champion"}},
        "model: Version 'champion' of model 'iris_classifier' was asked for together with files",
    ),
    "tool that cannot reach the store": ({"serving_tool": "KSERVE"}, "serving_tool: the store file:.*no pod can read"),
}


@pytest.mark.parametrize(("change", "message"), BAD_SPEC.values(), ids=BAD_SPEC.keys())
def test_a_specification_that_cannot_work_is_told_before_anything_is_written(site, spec, source, change, message):
    with pytest.raises(InvalidSpec, match=message):
        preparation.check(site, spec(**change), source)
    assert stored(site) == []


def test_a_pipe_is_no_script_and_holds_nobody_up(site, spec, source, tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(InvalidSpec, match=r"pipe\.py' is not there"):
        preparation.check(site, spec(script_file=str(tmp_path / "pipe.py")), source)


BESIDE = {
    "plainly": ("import features\n", "features.py"),
    "relatively": ("from . import features\n", "features.py"),
    "a name of it": ("from .features import scale\n", "features.py"),
    "a package": ("import features.text\n", "features/text.py"),
}


@pytest.mark.parametrize(("line", "file"), BESIDE.values(), ids=BESIDE.keys())
def test_a_module_beside_the_script_is_told_before_anything_is_uploaded(site, spec, source, tmp_path, line, file):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    with pytest.raises(InvalidSpec, match=r"predictor\.py imports 'features', which lies beside it but would not be"):
        preparation.check(site, spec(line + SCRIPT), source)
    assert stored(site) == []


@pytest.mark.parametrize(("line", "file"), BESIDE.values(), ids=BESIDE.keys())
def test_a_module_among_the_further_files_may_be_imported(site, spec, source, tmp_path, line, file):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    preparation.check(site, spec(line + SCRIPT, further_files=[str(tmp_path / Path(file).parts[0])]), source)
    assert stored(site) == []


def test_what_a_further_module_imports_from_beside_it_is_to_be_delivered_too(site, spec, source, tmp_path):
    (tmp_path / "features.py").write_text("import words, json, yaml")
    (tmp_path / "words.py").touch()
    wanted = spec("import features\n" + SCRIPT, further_files=[str(tmp_path / "features.py")])
    with pytest.raises(InvalidSpec, match=r"further_files: features\.py imports 'words', which lies .* Name it among"):
        preparation.check(site, wanted, source)


def test_further_files_that_cannot_be_delivered_are_told_before_anything_is_written(site, spec, source, tmp_path):
    (tmp_path / "words").mkdir()
    (tmp_path / "words/all.txt").symlink_to("/etc/hostname")
    wanted = spec(further_files=[str(tmp_path / "words"), "nowhere.csv", str(tmp_path / "predictor.py")])
    with pytest.raises(InvalidSpec, match="further_files: Further files cannot be delivered: ") as refused:
        preparation.check(site, wanted, source)
    for told in (
        "'words/all.txt' is a symbolic link",
        "'nowhere.csv' is not there",
        "'predictor.py' would be there twi",
    ):
        assert told in str(refused.value)
    assert stored(site) == []


NOT_BESIDE = {
    "in a function": "def f():\n    import features\n",
    "it may do without": "try:\n    import features\nexcept ImportError:\n    features = None\n",
    "of the standard library": "import json\n",
    "installed": "import yaml\n",
}


@pytest.mark.parametrize("lines", NOT_BESIDE.values(), ids=NOT_BESIDE.keys())
def test_an_import_that_needs_nothing_beside_the_script_passes(site, spec, source, tmp_path, lines):
    for name in ("features", "json", "yaml"):
        (tmp_path / f"{name}.py").touch()
    preparation.check(site, spec(lines + SCRIPT), source)


def test_a_configuration_file_in_python_is_delivered_and_may_be_imported(site, spec, source, tmp_path):
    (tmp_path / "features.py").touch()
    preparation.check(site, spec("import features\n" + SCRIPT, config_file=str(tmp_path / "features.py")), source)


def test_a_model_that_was_never_registered_is_told_with_those_that_were(site, spec, source):
    preparation.register(site, ModelRef(name="roses"), source)
    before = stored(site)
    with pytest.raises(InvalidSpec, match=r"model: There is no model 'iris_classifier'.*'roses'"):
        preparation.check(site, spec())
    assert stored(site) == before


def test_a_deployment_of_another_model_server_is_told_before_anything_is_written(site, spec, source):
    live = a_revision(model_server="VLLM")
    site.ledger("iris").record(lambda _: Change(Event.PROMOTED, LedgerState(last_number=1, live=live), 1))
    before = stored(site)
    with pytest.raises(InvalidSpec, match=r"deployment 'iris' by VLLM\. A deployment keeps its model server for life"):
        preparation.check(site, spec(), source)
    assert stored(site) == before


def test_all_problems_are_told_together(site, spec, source):
    bad = source.model_copy(update={"path": "/nowhere"})
    with pytest.raises(InvalidSpec, match="breaks 3 rules") as refused:
        preparation.check(site, spec("x = (", config_file="nowhere.json"), bad)
    assert {violation.field for violation in refused.value.violations} == {"model", "script_file", "config_file"}


def test_an_artifact_version_that_is_not_there_is_told_before_anything_is_written(site, spec, source):
    with pytest.raises(InvalidSpec, match="artifact_version"):
        preparation.check(site, spec(script_file=None, artifact_version=7), source)
    assert stored(site) == []


def test_registering_publishes_what_training_saved(site, source):
    model = preparation.register(site, REF, source)
    assert (model.name, model.version, model.created_by) == ("iris_classifier", 1, "ada@lovelace")


def test_registering_the_same_again_gives_the_same_version(site, source):
    assert preparation.register(site, REF, source) == preparation.register(site, REF, source)


def test_registering_without_files_finds_the_version_that_is_named(site, source):
    preparation.register(site, REF, source)
    preparation.register(site, REF, source.model_copy(update={"metrics": {"accuracy": 0.9}}))
    assert preparation.register(site, ModelRef(name="iris_classifier", version=1)).version == 1
    assert preparation.register(site, REF).version == 2


def test_registering_without_files_what_is_not_there_names_what_is(site, source):
    preparation.register(site, REF, source)
    with pytest.raises(NotFound, match=r"has no version 7\. It has 1"):
        preparation.register(site, ModelRef(name="iris_classifier", version=7))


@pytest.fixture
def champion(site, source):
    """A specification's model: the alias of the older of two versions."""
    preparation.register(site, REF, source)
    preparation.register(site, REF, source.model_copy(update={"metrics": {"accuracy": 0.9}}))
    site.registry.references("iris_classifier").move_aliases({"champion": 1})
    return {"name": "iris_classifier", "version": "champion"}


def test_an_alias_is_nailed_down_to_the_number_it_stands_for(site, spec, champion):
    wanted = spec(model=champion)
    preparation.check(site, wanted)
    draft = prepared(site, wanted, None)
    assert draft.model.version == 1
    site.registry.references("iris_classifier").move_aliases({"champion": 2})
    assert prepared(site, wanted, None).digest != draft.digest


def test_an_alias_that_is_not_there_is_told_with_those_that_are(site, spec, champion):
    before = stored(site)
    with pytest.raises(
        InvalidSpec, match=r"model: .* has no alias 'challenger'\. It has 'champion'\. Name one of these"
    ):
        preparation.check(site, spec(model=champion | {"version": "challenger"}))
    assert stored(site) == before


def test_the_artifact_version_asked_for_is_that_of_the_aliased_model_version(site, spec, champion):
    preparation.build_artifact_version(site, spec(), site.registry.get("iris_classifier", 1))
    preparation.check(site, spec(script_file=None, artifact_version=1, model=champion))
    with pytest.raises(InvalidSpec, match="no artifact version 1 of model 'iris_classifier' version 2"):
        preparation.check(site, spec(script_file=None, artifact_version=1))


def test_an_artifact_version_is_reused_until_its_files_change(site, spec, source):
    model = preparation.register(site, REF, source)
    versions = [
        preparation.build_artifact_version(site, spec(text), model).version for text in (SCRIPT, SCRIPT, SCRIPT + "#")
    ]
    assert versions == [1, 1, 2]


def test_an_artifact_version_cannot_be_given_other_files(site, spec, source):
    model = preparation.register(site, REF, source)
    preparation.build_artifact_version(site, spec(), model)
    with pytest.raises(InvalidName, match=r"holds other files.*Leave the artifact version out"):
        preparation.build_artifact_version(site, spec(SCRIPT + "#", artifact_version=1), model)


def test_another_further_file_makes_another_artifact_version(site, spec, source, tmp_path):
    model = preparation.register(site, REF, source)
    (tmp_path / "words.txt").write_text("one")
    wanted = spec(further_files=[str(tmp_path / "words.txt")])
    built = [preparation.build_artifact_version(site, each, model).version for each in (spec(), wanted, wanted)]
    (tmp_path / "words.txt").write_text("two")
    assert [*built, preparation.build_artifact_version(site, wanted, model).version] == [1, 2, 2, 3]


def test_a_draft_is_nailed_down_by_digests(site, spec, source):
    draft = prepared(site, spec(), source)
    model = site.registry.get("iris_classifier")
    artifact = site.registry.get_artifact_version("iris_classifier", 1, 1)
    assert (draft.model.version, draft.model.digest) == (1, model.digest)
    assert (draft.artifact.version, draft.artifact.digest) == (1, artifact.digest)
    assert draft.artifact.script_file == "predictor.py"


def test_a_draft_has_the_server_of_its_framework(site, spec, source):
    draft = prepared(site, spec(), source)
    assert (draft.model_server, draft.serving_tool) == (ModelServer.PYTHON, ServingTool.LOCAL)


def test_a_draft_carries_what_the_specification_says(site, spec, source):
    change = {"env_vars": {"A": "x"}, "local": {"port": 8080}, "rollout": {"on_failure": "KEEP"}}
    wanted = spec(**change, smoke_test={"timeout_s": 5})
    draft = prepared(site, wanted, source)
    assert (draft.env_vars, draft.local, draft.rollout) == (wanted.env_vars, wanted.local, wanted.rollout)
    assert (draft.smoke_timeout_s, draft.project, draft.deployment) == (5, "default", "iris")


def test_the_same_files_and_words_give_the_same_draft(site, spec, source):
    assert prepared(site, spec(), source).digest == prepared(site, spec(), source).digest


def test_the_input_example_is_asked_when_no_requests_are_given(site, spec, source):
    assert prepared(site, spec(), source).smoke_requests == (SmokeRequest(inputs=[[21]]),)


def test_requests_that_are_given_are_asked_instead_of_the_input_example(site, spec, source):
    wanted = spec(smoke_test={"requests": [{"inputs": [[1]], "expect": [2]}]})
    assert prepared(site, wanted, source).smoke_requests == wanted.smoke_test.requests


@pytest.mark.parametrize("example", [None, 5, [], "text"], ids=repr)
def test_an_input_example_that_cannot_be_asked_is_left_out_with_a_warning(site, spec, source, caplog, example):
    draft = prepared(site, spec(), source.model_copy(update={"input_example": example}))
    assert draft.smoke_requests == ()
    assert "deployment iris: nothing to ask" in caplog.text
