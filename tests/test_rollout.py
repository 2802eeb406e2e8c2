"""The verbs over a real ledger and a scripted serving tool."""

import pytest

from moorage import lifecycle, rollout
from moorage.deployment import OnFailure, Rollout, SmokeRequest
from moorage.errors import (
    BackendUnavailable,
    NotReadyInTime,
    ProvisionFailed,
    Quarantined,
    StoreUnavailable,
    Superseded,
)
from moorage.ledger import Event
from moorage.rollout import ProposalKind, verdict_of
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from tests.scripted_backend import scripted_site
from tests.values import a_revision

ANOTHER = (SmokeRequest(inputs=[[1]]),)
THIRD = (SmokeRequest(inputs=[[2]]),)


@pytest.fixture
def site(tmp_path):
    return scripted_site(tmp_path)


def go_live(site, draft):
    revision = rollout.provision(site, draft).revision
    rollout.wait(site, revision)
    rollout.promote(site, revision)
    return revision


def events(site):
    return [(entry.event, entry.revision) for entry in site.ledger("iris").history()]


def test_a_revision_goes_live_step_by_step(site):
    go_live(site, a_revision())
    assert events(site) == [(Event.PROPOSED, 1), (Event.APPLIED, 1), (Event.PROMOTED, 1)]
    assert site.ledger("iris").state().live.number == 1


def test_an_unchanged_revision_is_left_alone_and_nothing_is_written(site):
    go_live(site, a_revision())
    before = events(site)
    assert rollout.provision(site, a_revision()).kind is ProposalKind.UNCHANGED
    assert (events(site), site.scripted.applied) == (before, [1])


def test_an_unchanged_revision_that_does_not_serve_is_applied_again(site):
    go_live(site, a_revision())
    site.scripted.serving = None
    proposal = rollout.provision(site, a_revision())
    assert (proposal.kind, proposal.revision.number) == (ProposalKind.REAPPLIED, 1)


def test_revisions_are_numbered_by_the_ledger(site):
    go_live(site, a_revision(7))
    assert go_live(site, a_revision(7, smoke_requests=ANOTHER)).number == 2


def test_a_failed_revision_is_quarantined_and_the_last_good_one_applied_again(site):
    go_live(site, a_revision())
    site.scripted.broken = {2}
    revision = rollout.provision(site, a_revision(smoke_requests=ANOTHER)).revision
    with pytest.raises(ProvisionFailed, match="it raised") as failure:
        rollout.wait(site, revision)
    restored = rollout.restore(site, revision, verdict_of(failure.value))
    assert restored is not None
    assert restored.revision == 1
    assert site.scripted.applied == [1, 2, 1]
    assert events(site)[-2:] == [(Event.FAILED, 2), (Event.RESTORED, 1)]


def test_a_quarantined_revision_is_not_tried_again(site):
    fail_once(site)
    with pytest.raises(Quarantined, match="failed before, as revision 2: SCRIPT_ERROR"):
        rollout.provision(site, a_revision(smoke_requests=ANOTHER))


def test_a_quarantined_revision_is_tried_again_by_who_insists(site):
    fail_once(site)
    proposal = rollout.provision(site, a_revision(smoke_requests=ANOTHER), retry_quarantined=True)
    assert (proposal.kind, proposal.revision.number) == (ProposalKind.NEW, 3)


def fail_once(site):
    go_live(site, a_revision())
    site.scripted.broken = {2}
    revision = rollout.provision(site, a_revision(smoke_requests=ANOTHER)).revision
    rollout.restore(site, revision, Verdict(Cause.SCRIPT_ERROR, "it raised"))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreUnavailable("It is away.")])
def test_a_failure_that_says_nothing_about_the_revision_quarantines_nothing(site, error):
    go_live(site, a_revision())
    revision = rollout.provision(site, a_revision(smoke_requests=ANOTHER)).revision
    rollout.restore(site, revision, verdict_of(error))
    assert site.ledger("iris").state().quarantine == {}


NOT_ITS_FAULT = {
    "a package somebody may install": Verdict(Cause.PACKAGE_MISSING, "There is no pandas."),
    "a port somebody may leave": Verdict(Cause.PORT_IN_USE, "Port 80 is in use."),
    "a file somebody may bring back": Verdict(Cause.FILES_MISSING, "A file is missing."),
    "a slow machine": Verdict(Cause.NOT_READY_IN_TIME, "It did not answer."),
    "a slow answer": Verdict(Cause.PREDICT_ERROR, "Smoke request 1 was not answered within 1 s."),
}


@pytest.mark.parametrize("verdict", NOT_ITS_FAULT.values(), ids=NOT_ITS_FAULT.keys())
def test_what_may_be_mended_without_the_revision_is_not_quarantined(site, verdict):
    revision = rollout.provision(site, a_revision()).revision
    rollout.restore(site, revision, verdict)
    assert site.ledger("iris").state().quarantine == {}


ITS_OWN_FAULT = {
    "a class missing": Verdict(Cause.CLASS_MISSING, "There is no class Predictor."),
    "an error in predict": Verdict(Cause.PREDICT_ERROR, "It raised.", file="predictor.py", line=3),
    "a wrong answer": Verdict(Cause.WRONG_ANSWER, "Expected 41, got 42."),
}


@pytest.mark.parametrize("verdict", ITS_OWN_FAULT.values(), ids=ITS_OWN_FAULT.keys())
def test_what_the_revision_itself_determines_is_quarantined(site, verdict):
    revision = rollout.provision(site, a_revision()).revision
    rollout.restore(site, revision, verdict)
    with pytest.raises(Quarantined, match=r"insist with --retry-quarantined \(retry_quarantined in the form\)"):
        rollout.provision(site, a_revision())


def test_a_restore_that_failed_half_way_goes_on_when_it_is_called_again(site):
    go_live(site, a_revision())
    revision = rollout.provision(site, a_revision(smoke_requests=ANOTHER)).revision
    site.scripted.unavailable_applies = 1
    with pytest.raises(BackendUnavailable):
        rollout.restore(site, revision, Verdict(Cause.SCRIPT_ERROR, "it raised"))
    restored = rollout.restore(site, revision, Verdict(Cause.INTERNAL, "what the second call was told"))
    assert restored is not None
    assert (restored.revision, restored.verdict.cause) == (1, Cause.SCRIPT_ERROR)
    assert events(site)[-2:] == [(Event.FAILED, 2), (Event.RESTORED, 1)]


def test_what_was_restored_is_not_restored_twice(site):
    fail_once(site)
    before = events(site)
    assert rollout.restore(site, a_revision(2), Verdict(Cause.SCRIPT_ERROR, "it raised")) is None
    assert events(site) == before


def test_a_serving_tool_that_is_away_while_applying_costs_no_revision(site):
    site.scripted.unavailable_applies = 1
    with pytest.raises(BackendUnavailable):
        rollout.provision(site, a_revision())
    assert events(site) == [(Event.PROPOSED, 1)]
    proposal = rollout.provision(site, a_revision())
    assert (proposal.kind, proposal.revision.number) == (ProposalKind.ADOPTED, 1)


def test_the_last_failure_is_remembered_until_a_promotion(site):
    fail_once(site)
    failure = site.ledger("iris").state().last_failure
    assert (failure.revision, failure.verdict["cause"]) == (2, "SCRIPT_ERROR")
    revision = rollout.provision(site, a_revision(smoke_requests=THIRD)).revision
    assert site.ledger("iris").state().last_failure == failure
    rollout.promote(site, revision)
    assert site.ledger("iris").state().last_failure is None


def test_who_failed_as_the_first_was_not_stopped_by_anybody(site):
    revision = rollout.provision(site, a_revision()).revision
    rollout.restore(site, revision, Verdict(Cause.SCRIPT_ERROR, "it raised"))
    assert not site.ledger("iris").state().stopped
    with pytest.raises(Superseded, match="no revision is wanted"):
        rollout.apply(site, revision)


def test_a_first_revision_that_fails_leaves_nothing_running(site):
    site.scripted.broken = {1}
    revision = rollout.provision(site, a_revision()).revision
    restored = rollout.restore(site, revision, Verdict(Cause.SCRIPT_ERROR, "it raised"))
    assert restored is not None
    assert restored.revision is None
    assert site.scripted.stopped


def test_keep_leaves_the_failed_revision_applied(site):
    go_live(site, a_revision())
    site.scripted.broken = {2}
    kept = a_revision(smoke_requests=ANOTHER, rollout=Rollout(on_failure=OnFailure.KEEP))
    revision = rollout.provision(site, kept).revision
    restored = rollout.restore(site, revision, Verdict(Cause.SCRIPT_ERROR, "it raised"))
    assert restored is not None
    assert restored.kept
    assert site.scripted.applied == [1, 2]


def test_a_revision_in_flight_is_adopted_by_the_next_run(site):
    site.scripted.starting = {1}
    rollout.provision(site, a_revision())
    assert rollout.provision(site, a_revision()).kind is ProposalKind.ADOPTED
    assert events(site)[2:] == [(Event.ADOPTED, 1), (Event.APPLIED, 1)]


def test_a_run_killed_between_proposal_and_apply_is_gone_on_with(site):
    rollout.propose(site, a_revision(), site.scripted.observe("iris"))
    revision = go_live(site, a_revision())
    assert (revision.number, site.scripted.applied) == (1, [1])


def test_a_run_killed_between_failure_and_restore_is_made_up_for(site):
    go_live(site, a_revision())
    site.scripted.broken = {2}
    revision = rollout.provision(site, a_revision(smoke_requests=ANOTHER)).revision
    decided = Verdict(Cause.SCRIPT_ERROR, "it raised")
    site.ledger("iris").record(lambda state: rollout.decide_failure(state, revision, decided))
    with pytest.raises(Quarantined):
        rollout.provision(site, a_revision(smoke_requests=ANOTHER))
    assert site.scripted.applied == [1, 2, 1]


def test_a_newer_proposal_supersedes_the_older_one(site):
    site.scripted.starting = {1}
    older = rollout.provision(site, a_revision()).revision
    rollout.provision(site, a_revision(smoke_requests=ANOTHER))
    with pytest.raises(Superseded, match="revision 2 is wanted now"):
        rollout.apply(site, older)
    with pytest.raises(Superseded, match="revision 2 is wanted now"):
        rollout.wait(site, older)
    assert rollout.restore(site, older, Verdict(Cause.SCRIPT_ERROR, "too late")) is None


def test_who_finds_a_foreign_revision_while_newest_applies_again(site):
    older = rollout.provision(site, a_revision()).revision
    newer = rollout.provision(site, a_revision(smoke_requests=ANOTHER)).revision
    site.scripted.apply(older)
    rollout.wait(site, newer)
    assert site.scripted.applied == [1, 2, 1, 2]


def test_an_obstacle_is_told_before_anything_is_proposed(site):
    site.scripted.obstacles = (Verdict(Cause.PORT_IN_USE, "Port 80 is in use."),)
    with pytest.raises(ProvisionFailed, match="PORT_IN_USE: Port 80 is in use"):
        rollout.provision(site, a_revision())
    assert events(site) == []


def test_an_obstacle_is_told_of_the_revision_that_would_have_been_next(site):
    go_live(site, a_revision())
    site.scripted.obstacles = (Verdict(Cause.PORT_IN_USE, "Port 80 is in use."),)
    with pytest.raises(ProvisionFailed, match="'iris' revision 2 failed: PORT_IN_USE"):
        rollout.provision(site, a_revision(smoke_requests=ANOTHER))


ENDS = {"stopped": (lifecycle.stop, "it was stopped"), "deleted": (lifecycle.delete, "it was deleted")}


@pytest.mark.parametrize(("end", "how"), ENDS.values(), ids=ENDS.keys())
def test_the_wait_for_what_is_ended_meanwhile_ends_at_once(site, end, how):
    site.scripted.starting = {1}
    revision = rollout.provision(site, a_revision()).revision
    site.scripted.meanwhile = [lambda: end(site, "iris")]
    with pytest.raises(Superseded, match=how):
        rollout.wait(site, revision)
    assert site.scripted.applied in ([1], [])


def test_what_somebody_is_just_stopping_is_not_applied_again(site):
    site.scripted.starting, site.scripted.stops_at_once = {1}, False
    revision = rollout.provision(site, a_revision()).revision
    site.scripted.stop("iris")
    site.scripted.meanwhile = [list, list, lambda: site.ledger("iris").record(lifecycle._stopped)]
    with pytest.raises(Superseded, match="it was stopped"):
        rollout.wait(site, revision, sleep=lambda _: None)
    assert site.scripted.applied == [1]


def test_a_supervisor_that_is_gone_again_and_again_is_not_mended_for_ever(site):
    revision = rollout.provision(site, a_revision()).revision
    site.scripted.unsupervised = True
    with pytest.raises(ProvisionFailed, match="SUPERVISOR_GONE: it is gone"):
        rollout.wait(site, revision, sleep=lambda _: None)
    assert site.scripted.applied == [1, 1, 1, 1]


def test_the_wait_ends_at_its_deadline_with_what_was_seen_last(site):
    site.scripted.starting = {1}
    revision = rollout.provision(site, a_revision()).revision
    clock = iter(range(100))
    with pytest.raises(NotReadyInTime, match="seen last: looking") as failure:
        rollout.wait(site, revision, timeout_s=3, now=lambda: next(clock), sleep=lambda _: None)
    assert failure.value.verdict.evidence == ("a line of revision 1",)


def test_the_wait_looks_before_it_sleeps(site):
    revision = rollout.provision(site, a_revision()).revision
    naps: list[float] = []
    rollout.wait(site, revision, sleep=naps.append)
    assert naps == []


def test_a_serving_tool_that_blinks_is_looked_at_again(site):
    revision = rollout.provision(site, a_revision()).revision
    site.scripted.unavailable_looks = 2
    stages: list[str] = []
    rollout.wait(site, revision, on_stage=stages.append, sleep=lambda _: None)
    assert stages == ["waiting for the serving tool: It blinked."]


def test_promoting_twice_is_promoting_once(site):
    revision = go_live(site, a_revision())
    rollout.promote(site, revision)
    assert events(site).count((Event.PROMOTED, 1)) == 1


def test_a_deployment_that_was_stopped_in_flight_is_not_promoted(site):
    revision = rollout.provision(site, a_revision()).revision
    lifecycle.stop(site, "iris")
    with pytest.raises(Superseded, match="it was stopped"):
        rollout.promote(site, revision)


def test_deploying_what_was_stopped_starts_it_again(site):
    go_live(site, a_revision())
    lifecycle.stop(site, "iris")
    assert go_live(site, a_revision()).number == 1
    assert not site.ledger("iris").state().stopped


def test_start_and_stop_are_told_by_the_ledger(site):
    go_live(site, a_revision())
    lifecycle.stop(site, "iris")
    lifecycle.stop(site, "iris")
    lifecycle.start(site, "iris")
    assert [event for event, _ in events(site)[3:]] == [Event.STOPPED, Event.STARTED]


def test_a_deleted_deployment_is_gone_and_its_numbers_are_not_given_again(site):
    go_live(site, a_revision())
    lifecycle.delete(site, "iris")
    assert lifecycle.deployments(site) == []
    assert go_live(site, a_revision()).number == 2
