"""A revision on trial: its share first, then all; taken back it loses its share before anything else happens."""

import itertools

import pytest

from moorage import lifecycle, readiness, rollout
from moorage.canary import share_of
from moorage.deployment import Rollout, SmokeRequest
from moorage.errors import NotReadyInTime, ProvisionFailed, Superseded
from moorage.ledger import Event, LedgerState
from moorage.predictor import ServingTool
from moorage.rollout import Restored
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from tests.scripted_backend import SharingBackend, scripted_site
from tests.values import a_revision

TRIAL = Rollout(canary_percent=20, canary_s=60, ready_timeout_s=10)
WRONG = Verdict(Cause.WRONG_ANSWER, "it answered something else")


@pytest.fixture
def site(tmp_path):
    return scripted_site(tmp_path, scripted=SharingBackend())


@pytest.fixture
def backend(site):
    assert isinstance(site.scripted, SharingBackend)
    return site.scripted


def draft(number, **changes):
    return a_revision(smoke_requests=(SmokeRequest(inputs=[[number]]),), **({"rollout": TRIAL} | changes))


def go_live(site, draft):
    revision = rollout.provision(site, draft).revision
    rollout.wait(site, revision)
    rollout.promote(site, revision)
    return revision


def on_trial(site):
    """Revision 1 is live, and revision 2 has its share."""
    go_live(site, draft(1))
    revision = rollout.provision(site, draft(2)).revision
    rollout.wait(site, revision)
    return revision


def clock(step_s):
    ticks = itertools.count(0, step_s)
    return {"now": lambda: next(ticks), "sleep": lambda _: None}


def test_a_first_revision_has_nobody_to_share_with(site, backend):
    go_live(site, draft(1))
    assert backend.told == ["apply 1"]


def test_the_next_gets_its_share_then_all_and_only_then_it_is_live(site, backend):
    revision = on_trial(site)
    assert (backend.told[1:], backend.serving) == (["give 2 20 %"], 1)
    assert site.ledger("iris").state().live.number == 1
    rollout.promote(site, revision)
    assert (backend.told[1:], backend.serving) == (["give 2 20 %", "give 2 all"], 2)
    assert site.ledger("iris").state().live.number == 2


def test_one_that_is_taken_back_loses_its_share_before_the_last_good_one_is_made_anew(site, backend):
    assert rollout.restore(site, on_trial(site), WRONG) == Restored(1, WRONG)
    assert (backend.told[2:], backend.share, backend.serving) == (["apply 1", "give 1 all"], None, 1)


def test_a_run_killed_in_the_midst_of_taking_back_is_made_up_for(site, backend):
    revision = on_trial(site)
    site.ledger("iris").record(lambda state: rollout.decide_failure(state, revision, WRONG))
    backend.apply(site.ledger("iris").state().live)
    assert backend.share == 0
    rollout.provision(site, draft(1))
    assert (backend.told[-1], backend.share) == ("give 1 all", None)


def test_a_run_killed_between_giving_all_and_saying_so_goes_on(site, backend):
    revision = on_trial(site)
    backend.give_all(revision)
    assert site.ledger("iris").state().candidate.number == 2
    rollout.promote(site, rollout.provision(site, draft(2)).revision)
    assert site.ledger("iris").state().live.number == 2


def test_one_that_is_superseded_is_not_promoted_and_gets_no_more(site, backend):
    older = on_trial(site)
    rollout.provision(site, draft(3))
    with pytest.raises(Superseded, match="revision 3 is wanted now"):
        rollout.promote(site, older)
    assert backend.told[1:] == ["give 2 20 %", "give 3 20 %"]


def test_it_is_watched_for_its_time_and_no_longer(site):
    revision = on_trial(site)
    ticks = itertools.count()
    assert readiness.watch(site, revision, now=lambda: next(ticks), sleep=lambda _: None)
    assert next(ticks) == 62


def test_what_gets_all_requests_is_not_watched(site):
    revision = go_live(site, draft(1))
    assert not readiness.watch(site, revision)
    assert not readiness.watch(site, go_live(site, draft(2, rollout=Rollout())))


def test_one_that_fails_on_trial_ends_it_at_once(site, backend):
    revision = on_trial(site)
    backend.meanwhile = [list, list, lambda: backend.broken.add(2)]
    with pytest.raises(ProvisionFailed, match="SCRIPT_ERROR: it raised"):
        readiness.watch(site, revision, **clock(1))


def test_one_that_is_stopped_on_trial_is_superseded(site, backend):
    revision = on_trial(site)
    backend.meanwhile = [list, lambda: lifecycle.stop(site, "iris")]
    with pytest.raises(Superseded, match="it was stopped"):
        readiness.watch(site, revision, **clock(1))


def test_one_that_nobody_can_see_any_more_does_not_pass(site, backend):
    revision = on_trial(site)
    backend.unavailable_looks = 1000
    with pytest.raises(NotReadyInTime):
        readiness.watch(site, revision, **clock(5))


def test_one_that_cannot_be_asked_is_not_proven(site, backend):
    with pytest.raises(ProvisionFailed):
        rollout.prove(site, on_trial(site))
    assert (Event.PROVEN, 2) not in [(entry.event, entry.revision) for entry in site.ledger("iris").history()]


LIVE = a_revision(1)
# the live one, the new one -> its share
SHARES = {
    "nothing is live": (None, draft(1), None),
    "beside the live one": (LIVE, a_revision(2, rollout=TRIAL), 20),
    "no share asked for": (LIVE, a_revision(2), None),
    "the live one itself": (LIVE, a_revision(1, rollout=TRIAL), None),
    "the live one is elsewhere": (LIVE, a_revision(2, rollout=TRIAL, serving_tool=ServingTool.KSERVE), None),
}


@pytest.mark.parametrize(("live", "revision", "share"), SHARES.values(), ids=SHARES.keys())
def test_a_share_is_only_given_beside_what_is_live(live, revision, share):
    assert share_of(LedgerState(last_number=1, live=live), revision) == share
