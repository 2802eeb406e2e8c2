"""Deploys as the ledger tells them."""

from datetime import UTC, datetime, timedelta

import pytest

from moorage.deploys import DeployOutcome, deploys_of
from moorage.ledger import Event, LedgerEntry, LedgerState
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from tests.values import a_revision

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
VERDICT = Verdict(Cause.SCRIPT_ERROR, "it raised")


def history(*told):
    """Entries of event, revision, seconds since the first; the ledger's state follows from them."""
    entries, live, candidate = [], None, None
    for seq, (event, number, at_s) in enumerate(told, start=1):
        revision = a_revision(number) if number else None
        if event is Event.PROPOSED:
            candidate = revision
        elif event is Event.PROMOTED:
            live, candidate = revision, None
        elif event in (Event.FAILED, Event.STOPPED):
            candidate = None
        time = (BEGAN + timedelta(seconds=at_s)).isoformat()
        state = LedgerState(last_number=9, live=live, candidate=candidate)
        verdict = VERDICT if event is Event.FAILED else None
        entries.append(LedgerEntry(seq, time, "ada", event, number, f"why {seq}", verdict, state))
    return entries


GOOD = [(Event.PROPOSED, 1, 0), (Event.APPLIED, 1, 1), (Event.PROVEN, 1, 3), (Event.PROMOTED, 1, 3.5)]
BAD = [(Event.PROPOSED, 2, 10), (Event.APPLIED, 2, 11), (Event.FAILED, 2, 14), (Event.RESTORED, 1, 15)]
PARTS = [("provision predictor", 0, 1), ("wait for ready, smoke test", 1, 2), ("promote revision", 3, 0.5)]


def test_a_deploy_that_went_live_tells_who_why_and_where_the_seconds_went():
    [deploy] = deploys_of(history(*GOOD))
    assert (deploy.revision.number, deploy.actor, deploy.why) == (1, "ada", "why 1")
    assert (deploy.outcome, deploy.replaced, deploy.verdict) == (DeployOutcome.LIVE, None, None)
    assert [(step.name, step.began_s, step.took_s) for step in deploy.steps] == PARTS
    assert deploy.took_s == 3.5


def test_one_that_failed_tells_why_and_what_was_restored():
    _, deploy = deploys_of(history(*GOOD, *BAD))
    assert (deploy.outcome, deploy.replaced, deploy.restored) == (DeployOutcome.RESTORED, 1, 1)
    assert deploy.verdict == VERDICT
    assert [step.ok for step in deploy.steps] == [True, False, True]
    assert deploy.took_s == 5


OUTCOMES = {
    "nothing was live before": ((*BAD[:3], (Event.RESTORED, None, 15)), [DeployOutcome.FAILED]),
    "superseded": ((BAD[0], (Event.PROPOSED, 3, 12)), [DeployOutcome.SUPERSEDED, DeployOutcome.IN_FLIGHT]),
    "cut off": (BAD[:2], [DeployOutcome.IN_FLIGHT]),
    "gone on with": ((*GOOD[:2], (Event.ADOPTED, 1, 2), *GOOD[1:]), [DeployOutcome.LIVE]),
    "stopped in flight": ((*BAD[:2], (Event.STOPPED, 2, 12)), [DeployOutcome.STOPPED]),
    "stopped later": ((*GOOD, (Event.STOPPED, 1, 99)), [DeployOutcome.LIVE]),
    "applied again": ((*GOOD, (Event.PROPOSED, 1, 20), (Event.PROMOTED, 1, 21)), [DeployOutcome.LIVE] * 2),
    "nothing": ((), []),
}


@pytest.mark.parametrize(("told", "outcomes"), OUTCOMES.values(), ids=OUTCOMES.keys())
def test_every_deploy_has_one_outcome(told, outcomes):
    assert [deploy.outcome for deploy in deploys_of(history(*told))] == outcomes


def test_what_happens_after_its_end_does_not_lengthen_it():
    [deploy] = deploys_of(history(*GOOD, (Event.STARTED, 1, 50), (Event.STOPPED, 1, 99)))
    assert deploy.took_s == 3.5


def test_what_is_applied_again_replaces_nothing():
    _, again = deploys_of(history(*GOOD, (Event.PROPOSED, 1, 20), (Event.PROMOTED, 1, 21)))
    assert again.replaced is None
