"""What comes before a rollout, for a transformer whose script is a notebook."""

import pytest

from moorage import preparation
from moorage.errors import InvalidSpec
from moorage.predictor import Framework, ModelSource
from moorage.settings import Settings
from moorage.site import Site
from tests.values import a_notebook, a_spec

TRANSFORMER = "class Transformer:\n    def preprocess(self, inputs):\n        return inputs"


@pytest.fixture
def site(tmp_path):
    return Site(Settings(home=tmp_path / "home"), "ada@lovelace")


@pytest.fixture
def source(tmp_path):
    """What training saved."""
    (tmp_path / "weights").write_text("2")
    return ModelSource(path=str(tmp_path / "weights"), framework=Framework.SKLEARN, input_example=[[21]])


@pytest.fixture
def spec(tmp_path):
    """Makes a specification whose transformer script is a notebook."""

    def spec(content: str, **changes):
        (tmp_path / "predictor.py").write_text("class Predictor:\n    predict = print\n")
        (tmp_path / "transformer.ipynb").write_text(content)
        scripts = {
            "script_file": str(tmp_path / "predictor.py"),
            "transformer": {"script_file": str(tmp_path / "transformer.ipynb")},
        }
        return a_spec(**(scripts | changes))

    return spec


def told(site, spec, source, option="transformer.script_file"):
    """What is said of an option; more is said of LOCAL, which runs no transformer. Nothing is written."""
    with pytest.raises(InvalidSpec) as refused:
        preparation.check(site, spec, source)
    assert list(site.settings.home.iterdir()) == []
    return [each.found for each in refused.value.violations if each.field == option]


def test_a_transformer_in_a_notebook_is_kept_as_it_was_given(site, spec, source, tmp_path):
    wanted = spec(a_notebook("%matplotlib inline", TRANSFORMER))
    assert told(site, wanted, source) == []
    model = preparation.register(site, wanted.model, source)
    built = [preparation.build_artifact_version(site, wanted, model) for _ in range(2)]
    assert [(each.version, each.transformer_file) for each in built] == [(1, "transformer.ipynb")] * 2
    assert preparation.draft_revision(site, wanted, model, built[0]).artifact.transformer_file == "transformer.ipynb"
    [kept] = site.settings.home.rglob("transformer.ipynb")
    assert kept.read_bytes() == (tmp_path / "transformer.ipynb").read_bytes()


BAD_NOTEBOOK = {
    "no notebook": (TRANSFORMER, "transformer.ipynb is no Jupyter notebook: it is no JSON (Expecting value: line 1 c"),
    "format 3": ('{"nbformat": 3, "worksheets": []}', "transformer.ipynb is a notebook of format 3."),
    "no class": (a_notebook("class Other: ..."), "transformer.ipynb has no class Transformer: it has only Other."),
    "no Python": (a_notebook(TRANSFORMER, "x = ("), "transformer.ipynb:6: SyntaxError: '(' was never closed: `x = (`."),
    "no method": (a_notebook("", "class Transformer: ..."), "transformer.ipynb:4: Class Transformer has no method"),
}


@pytest.mark.parametrize(("content", "said"), BAD_NOTEBOOK.values(), ids=BAD_NOTEBOOK.keys())
def test_a_notebook_that_cannot_be_served_is_told_before_anything_is_written(site, spec, source, content, said):
    [found] = told(site, spec(content), source)
    assert found.startswith(said)


def test_what_a_notebook_imports_from_beside_it_is_to_be_delivered_too(site, spec, source, tmp_path):
    (tmp_path / "features.py").touch()
    content = a_notebook("%load_ext autoreload\nimport features", TRANSFORMER)
    [found] = told(site, spec(content), source, "further_files")
    assert found.startswith("transformer.ipynb imports 'features', which lies beside it")
    wanted = spec(content, further_files=[str(tmp_path / "features.py")])
    assert told(site, wanted, source, "further_files") == []


def test_a_predictor_in_a_notebook_is_refused_by_its_name_alone(site, spec, source, tmp_path):
    (tmp_path / "predictor.ipynb").write_text("no notebook")
    wanted = spec(a_notebook(TRANSFORMER), script_file=str(tmp_path / "predictor.ipynb"))
    [found] = told(site, wanted, source, "script_file")
    assert found.endswith("predictor.ipynb' is not a Python file.")
