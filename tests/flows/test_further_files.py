"""A script with a module, a package and a table beside it, through the whole flow."""

import pytest

from flows.deploy_model import deploy_model
from moorage import lifecycle
from moorage.errors import ProvisionFailed
from moorage.report import Outcome
from moorage.startup import Cause

SCRIPT = """
import scaling
from features.words import length_of

class Predictor:
    def predict(self, inputs):
        return [scaling.doubled(length_of(row[0])) for row in inputs]
"""
BESIDE = {
    "scaling.py": "def doubled(number):\n    return number * 2\n",
    "features/__init__.py": "",
    "features/words.py": "from .table import LENGTHS\n\ndef length_of(word):\n    return LENGTHS[word]\n",
    "features/table.py": "import json, os\nLENGTHS = json.load(open(os.path.dirname(__file__) + '/lengths.json'))\n",
    "features/lengths.json": '{"three": 5}',
}

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def spec(write_spec, tmp_path):
    """A specification with all of it."""
    for path, text in BESIDE.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    asked = {"requests": [{"inputs": [["three"]], "expect": [10]}]}
    return write_spec(
        SCRIPT, smoke_test=asked, further_files=[str(tmp_path / "scaling.py"), str(tmp_path / "features")]
    )


def artifact_version(site):
    revision = lifecycle.view(site, "double").revision
    assert revision is not None
    return revision.number, revision.artifact.version


def test_a_script_answers_with_what_lies_beside_it(site, model, spec):
    report = deploy_model(spec, model_files=model)
    assert (report.outcome, report.revision) == (Outcome.LIVE, 1)
    assert lifecycle.predict(site, "double", inputs=[["three"], ["three"]]).predictions == [10, 10]
    assert deploy_model(spec, model_files=model).outcome is Outcome.NOTHING_TO_DO


def test_another_further_file_alone_makes_another_artifact_version_and_revision(site, model, spec, tmp_path):
    deploy_model(spec, model_files=model)
    (tmp_path / "scaling.py").write_text("def doubled(number):\n    return number + number\n")
    assert deploy_model(spec, model_files=model).outcome is Outcome.LIVE
    assert artifact_version(site) == (2, 2)


def test_an_error_in_a_further_file_is_blamed_there(site, model, spec, tmp_path):
    (tmp_path / "features" / "lengths.json").write_text("{}")
    with pytest.raises(ProvisionFailed) as failure:
        deploy_model(spec, model_files=model)
    verdict = failure.value.verdict
    assert (verdict.cause, verdict.where) == (Cause.PREDICT_ERROR, "features/words.py:4")
    assert '  File "features/words.py", line 4, in length_of' in verdict.evidence
