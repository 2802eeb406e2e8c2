"""The flow on a real Prefect server, with real model servers."""

import logging

import pytest
from prefect.artifacts import Artifact
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import is_valid

from flows.deploy_model import deploy_model
from moorage import lifecycle
from moorage.errors import InvalidSpec, ProvisionFailed, Quarantined, Superseded
from moorage.ledger import Event
from moorage.report import Outcome
from moorage.startup import Cause

RAISES = "class Predictor:\n    def predict(self, inputs):\n        return inputs['nothing']\n"

pytestmark = pytest.mark.usefixtures("prefect_server")


def events(site):
    return [entry.event for entry in lifecycle.history(site, "double")]


def test_a_model_goes_online_and_answers(site, model, write_spec):
    report = deploy_model(write_spec(), model_files=model)
    assert (report.outcome, report.revision) == (Outcome.LIVE, 1)
    assert [step.name for step in report.steps] == [
        "check specification",
        "register model",
        "build artifact version",
        "provision predictor",
        "wait for ready",
        "smoke test",
        "promote revision",
    ]
    assert lifecycle.predict(site, "double", inputs=[[4]]).predictions == [8]


def test_the_same_again_is_nothing_to_do(site, model, write_spec):
    deploy_model(write_spec(), model_files=model)
    before = lifecycle.view(site, "double").seen.processes, events(site)
    report = deploy_model(write_spec(), model_files=model)
    assert report.outcome is Outcome.NOTHING_TO_DO
    assert (lifecycle.view(site, "double").seen.processes, events(site)) == before


def test_a_broken_revision_is_taken_back_and_the_report_says_why(site, model, write_spec):
    deploy_model(write_spec(), model_files=model)
    with pytest.raises(ProvisionFailed) as failure:
        deploy_model(write_spec(RAISES))
    assert (failure.value.verdict.cause, failure.value.verdict.where) == (Cause.PREDICT_ERROR, "predictor.py:3")
    assert events(site)[-2:] == [Event.FAILED, Event.RESTORED]
    assert lifecycle.predict(site, "double", inputs=[[4]]).predictions == [8]
    report = str(getattr(Artifact.get("deploy-double"), "data", None))
    assert "PREDICT_ERROR at `predictor.py:3`" in report
    assert "revision 1 serves on" in report


def test_a_wrong_answer_is_taken_back(site, model, write_spec):
    wrong = {"requests": [{"inputs": [[21]], "expect": [41]}]}
    with pytest.raises(ProvisionFailed, match=r"WRONG_ANSWER.*expected 41, got 42"):
        deploy_model(write_spec(smoke_test=wrong), model_files=model)
    assert lifecycle.view(site, "double").seen.serving is None


class StopAt(logging.Handler):
    """Somebody who stops the deployment while its revision loads."""

    def __init__(self, site):
        super().__init__(logging.INFO)
        self.site = site

    def emit(self, record):
        if "loading" in getattr(record, "stage", ""):
            lifecycle.stop(self.site, "double")


def test_a_deploy_of_what_is_stopped_meanwhile_ends_at_once_and_is_no_failure(site, model, write_spec):
    watcher, logger = StopAt(site), logging.getLogger("tasks")
    logger.addHandler(watcher)
    logger.setLevel(logging.INFO)
    try:
        with pytest.raises(Superseded, match="it was stopped"):
            deploy_model(write_spec("import time\ntime.sleep(600)\n" + RAISES), model_files=model)
    finally:
        logger.removeHandler(watcher)
    assert events(site) == [Event.PROPOSED, Event.APPLIED, Event.STOPPED]
    report = str(getattr(Artifact.get("deploy-double"), "data", None))
    assert "revision 1 of double was superseded: it was stopped" in report


def test_what_was_quarantined_is_tried_again_only_on_demand(site, model, write_spec):
    with pytest.raises(ProvisionFailed):
        deploy_model(write_spec(RAISES), model_files=model)
    with pytest.raises(Quarantined, match="failed before, as revision 1"):
        deploy_model(write_spec(RAISES))
    with pytest.raises(ProvisionFailed):
        deploy_model(write_spec(RAISES), retry_quarantined=True)


def test_bad_input_is_refused_before_anything_is_written(site, model, write_spec):
    with pytest.raises(InvalidSpec, match="breaks 2 rules"):
        deploy_model(write_spec("x = (", environment="mine"), model_files=model)
    assert list(site.settings.home.glob("**/*")) == []


def test_the_input_example_is_asked_when_no_requests_are_given(site, model, write_spec):
    report = deploy_model(write_spec(smoke_test={}), model_files=model)
    assert dict(report.facts)["smoke requests"].startswith("1 asked, 0 compared")


def test_the_form_has_these_parameters():
    schema = parameter_schema(deploy_model)
    assert list(schema.properties) == ["spec", "model_files", "reason", "retry_quarantined"]
    assert schema.required == ["spec"]
    fields = schema.definitions["DeploymentSpec"]["properties"]
    # Prefect shows a field without a title under its class's name: right for these, and for no other.
    untitled = [name for name, field in fields.items() if "title" not in field]
    assert untitled == ["placement", "rollout"]


@pytest.mark.parametrize(
    ("version", "is_fine"), [(1, True), ("latest", True), ("champion", True), (0, False), ("", False), ("a b", False)]
)
def test_the_form_takes_a_version_as_a_number_or_an_alias(version, is_fine):
    spec = {"name": "iris", "model": {"name": "iris_classifier", "version": version}}
    assert is_valid({"spec": spec}, parameter_schema(deploy_model).model_dump_for_openapi()) is is_fine
