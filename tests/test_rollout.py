"""The verbs over a real ledger and a scripted serving tool."""

import pytest

from moorage import lifecycle, rollout
from moorage.deployment import OnFailure, Rollout, SmokeRequest
from moorage.errors import NotReadyInTime, ProvisionFailed, Quarantined, StoreUnavailable, Superseded
from moorage.ledger import Event
from moorage.rollout import ProposalKind, verdict_of
from moorage.serving.verdict import Verdict
from moorage.settings import Settings
from moorage.startup import Cause
from tests.scripted_backend import ScriptedSite
from tests.values import a_revision

ANOTHER = (SmokeRequest(inputs=[[1]]),)
THIRD = (SmokeRequest(inputs=[[2]]),)


@pytest.fixture
def site(tmp_path):
    return ScriptedSite(Settings(home=tmp_path), "ada@lovelace")


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
