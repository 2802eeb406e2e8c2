"""Going back to an earlier revision, and retiring a deployment, on a real Prefect server."""

import pytest
from prefect.utilities.callables import parameter_schema

from flows.deploy_model import deploy_model
from flows.retire_deployment import retire_deployment
from flows.roll_back import roll_back
from moorage import lifecycle
from moorage.deployment import State
from moorage.errors import NotFound, ProvisionFailed
from moorage.ledger import Event
from moorage.report import Outcome
from tests.flows.conftest import DOUBLE

pytestmark = pytest.mark.usefixtures("prefect_server")

ASKED = {"smoke_test": {"requests": [{"inputs": [[21]]}]}}
TRIPLE = DOUBLE.replace("row[0] *", "1.5 * row[0] *")


@pytest.fixture
def twice(site, model, write_spec):
    """A deployment whose second revision answers otherwise than its first."""
    deploy_model(write_spec(**ASKED), model_files=model)
    deploy_model(write_spec(TRIPLE, **ASKED))
    return site


def answer(site):
    return lifecycle.predict(site, "double", inputs=[[2]]).predictions


def test_it_answers_as_before_and_the_history_says_why(twice):
    assert answer(twice) == [6]
    report = roll_back("double", reason="too high")
    assert (report.outcome, report.revision, answer(twice)) == (Outcome.LIVE, 3, [4])
    proposed = [entry for entry in lifecycle.history(twice, "double") if entry.event is Event.PROPOSED]
    assert proposed[-1].reason == "back to revision 1; too high"
    assert [step.name for step in report.steps] == [
        *("find revision", "provision again", "wait for ready", "smoke test", "promote revision")
    ]


def test_it_goes_forward_again_to_a_revision_that_is_named(twice):
    roll_back("double")
    assert (roll_back("double", to_revision=2).revision, answer(twice)) == (4, [6])


def test_one_that_cannot_be_proven_any_more_is_taken_back(site, model, write_spec, tmp_path):
    (tmp_path / "words").write_text("")
    deploy_model(write_spec(f"open({str(tmp_path / 'words')!r})\n" + DOUBLE, **ASKED), model_files=model)
    deploy_model(write_spec(TRIPLE, **ASKED))
    (tmp_path / "words").unlink()
    with pytest.raises(ProvisionFailed, match=r"SCRIPT_ERROR at predictor\.py:1"):
        roll_back("double")
    assert answer(site) == [6]


def test_where_nothing_else_was_ever_proven_nothing_happens(site, model, write_spec):
    deploy_model(write_spec(), model_files=model)
    entries = len(lifecycle.history(site, "double"))
    with pytest.raises(NotFound, match="has nothing to go back to"):
        roll_back("double")
    with pytest.raises(NotFound, match="There is no deployment 'nobody'"):
        roll_back("nobody")
    assert len(lifecycle.history(site, "double")) == entries


def test_a_retired_deployment_is_gone_and_its_history_says_why(twice):
    retire_deployment("double", reason="replaced by triple")
    assert lifecycle.deployments(twice) == []
    newest = lifecycle.history(twice, "double")[-1]
    assert (newest.event, newest.reason) == (Event.DELETED, "replaced by triple")
    assert twice.backend(newest.state.serving_tool).observe("double").state is State.CREATED


FORMS = {
    "roll-back": (roll_back, {"deployment", "to_revision", "reason", "needs_approval", "retry_quarantined"}),
    "retire-deployment": (retire_deployment, {"deployment", "reason", "needs_approval"}),
}


@pytest.mark.parametrize(("flow", "fields"), FORMS.values(), ids=FORMS.keys())
def test_the_form_asks_for_little_and_explains_each_field(flow, fields):
    schema = parameter_schema(flow)
    assert set(schema.properties) == fields
    assert schema.required == ["deployment"]
    assert all(field.get("description") for field in schema.properties.values())
