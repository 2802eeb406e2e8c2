"""Rows of declared deployments: what is told of each, and of all."""

import pytest

from moorage.errors import InvalidSpec, ProvisionFailed, Quarantined, SomeFailed, Superseded
from moorage.planning import Action, Planned
from moorage.reconciliation import Reconciliation, Result, Row, as_deployed, as_failed, as_planned
from moorage.report import DeployReport, Outcome
from moorage.serving.verdict import Verdict
from moorage.startup import Cause

PLANNED = {
    "unchanged": (Planned("iris", Action.NOTHING), Result.UNCHANGED, ""),
    "new": (Planned("iris", Action.CREATE), Result.PLANNED, "new"),
    "changed": (Planned("iris", Action.CHANGE, changes=("a: 1 → 2", "b: 3 → 4")), Result.PLANNED, "a: 1 → 2; b: 3 → 4"),
    "to be mended": (Planned("iris", Action.MEND, "it is gone"), Result.PLANNED, "it is gone"),
    "in flight": (Planned("iris", Action.RESUME, "revision 2 is in flight"), Result.PLANNED, "revision 2 is in flight"),
    "stopped": (Planned("iris", Action.LEAVE_STOPPED, "somebody"), Result.STOPPED, "somebody"),
    "quarantined": (Planned("iris", Action.LEAVE_QUARANTINED, "it failed"), Result.QUARANTINED, "it failed"),
    "refused": (Planned("iris", Action.REFUSE, "no model"), Result.REFUSED, "no model"),
}


@pytest.mark.parametrize(("planned", "result", "detail"), PLANNED.values(), ids=PLANNED.keys())
def test_a_plan_makes_a_row(planned, result, detail):
    assert as_planned("iris.yaml", planned) == Row("iris", "iris.yaml", result, detail)


def test_every_action_has_its_row():
    assert {planned.action for planned, *_ in PLANNED.values()} == set(Action)


ROW = Row("iris", "iris.yaml", Result.PLANNED, "a: 1 → 2")
VERDICT = Verdict(Cause.SCRIPT_ERROR, "it raised")
ERRORS = {
    "failed": (ProvisionFailed("iris", 2, VERDICT), Result.FAILED),
    "superseded": (Superseded("iris", 2, "revision 3 is wanted now"), Result.SUPERSEDED),
    "quarantined": (Quarantined("It failed before."), Result.QUARANTINED),
    "not allowed": (InvalidSpec("iris", []), Result.REFUSED),
}


@pytest.mark.parametrize(("error", "result"), ERRORS.values(), ids=ERRORS.keys())
def test_a_deploy_that_came_to_nothing_says_why(error, result):
    assert as_failed(ROW, error, 2.5) == Row("iris", "iris.yaml", result, str(error), 2.5)


DEPLOYED = {
    "live": (Outcome.LIVE, Result.DEPLOYED),
    "unchanged after all": (Outcome.NOTHING_TO_DO, Result.UNCHANGED),
}


@pytest.mark.parametrize(("outcome", "result"), DEPLOYED.values(), ids=DEPLOYED.keys())
def test_a_deploy_that_succeeded_says_what_changed(outcome, result):
    row = as_deployed(ROW, DeployReport("iris", outcome, 2), 2.5)
    assert row == Row("iris", "iris.yaml", result, "revision 2 is live: a: 1 → 2", 2.5)


ROWS = (
    Row("wine", "wine.yaml", Result.UNCHANGED),
    Row("", "bad.yaml", Result.REFUSED, "it is not YAML"),
    Row("iris", "iris.yaml", Result.FAILED, "SCRIPT_ERROR", 2.5),
    Row("rose", "rose.yaml", Result.UNCHANGED),
)


def test_the_table_begins_with_what_needs_somebodys_hand():
    found = Reconciliation("models", ROWS)
    assert [row["deployment"] for row in found.table] == ["iris", "?", "rose", "wine"]
    assert found.table[0]["seconds"] == "2.5"
    assert found.headline == "models: 1 failed, 1 refused, 2 unchanged"


def test_what_failed_is_named_and_how_much_more():
    many = ROWS * 3
    with pytest.raises(SomeFailed) as caught:
        Reconciliation("models", many).check()
    assert "6 of 12 declared deployments failed: bad.yaml: it is not YAML; iris: SCRIPT_ERROR" in str(caught.value)
    assert "; and 3 more" in str(caught.value)


def test_what_is_as_declared_passes():
    Reconciliation("models", ROWS[:1]).check()
