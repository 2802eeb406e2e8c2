"""What is done to a deployment that exists, over a scripted serving tool."""

import pytest

from moorage import lifecycle, rollout
from moorage.deployment import SmokeRequest, State
from moorage.errors import (
    CallerError,
    InferenceFailed,
    InvalidName,
    NotFound,
    PlatformError,
    ProvisionFailed,
    StoreRefused,
)
from moorage.ledger import Change, Event, Ledger
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from moorage.store.directory import DirectoryStore
from tests.scripted_backend import ScriptedSite, scripted_site
from tests.values import a_revision

ANOTHER = (SmokeRequest(inputs=[[1]]),)


@pytest.fixture
def site(tmp_path):
    return scripted_site(tmp_path)


@pytest.fixture
def live(site):
    """A site with one deployment, which is live."""
    return go_live(site, a_revision())


def go_live(site, draft):
    revision = rollout.provision(site, draft).revision
    rollout.wait(site, revision)
    rollout.promote(site, revision)
    return site


def fail_first(site):
    site.scripted.broken = {1}
    revision = rollout.provision(site, a_revision()).revision
    rollout.restore(site, revision, Verdict(Cause.SCRIPT_ERROR, "it raised"))
    return site


def events(site):
    return [entry.event for entry in site.ledger("iris").history()]


def test_a_view_shows_what_was_decided_and_what_is(live):
    view = lifecycle.view(live, "iris")
    assert (view.seen.state, view.seen.serving) == (State.RUNNING, 1)
    assert view.ledger.live is not None
    assert view.ledger.live.number == 1


def test_a_view_tells_of_the_revision_that_answers_not_of_the_one_in_flight(live):
    live.scripted.starting = {2}
    rollout.provision(live, a_revision(smoke_requests=ANOTHER))
    view = lifecycle.view(live, "iris")
    assert view.revision is not None
    assert view.revision.number == 1


def test_a_view_of_what_does_not_answer_tells_of_the_revision_that_should(live):
    lifecycle.stop(live, "iris")
    view = lifecycle.view(live, "iris")
    assert view.revision is not None
    assert (view.revision.number, view.seen.serving) == (1, None)


def test_looking_for_what_is_not_there_names_what_is(live):
    with pytest.raises(NotFound, match=r"no deployment 'roses' in project 'default'\. Deployments: iris\."):
        lifecycle.view(live, "roses")


def test_where_nothing_was_deployed_nothing_is_named(site):
    with pytest.raises(NotFound, match="Deployments: none yet"):
        lifecycle.view(site, "iris")


def test_a_name_that_no_deployment_may_bear_is_refused(site):
    with pytest.raises(InvalidName, match="letters and digits"):
        lifecycle.view(site, "../iris")


VERBS = {
    "start": lifecycle.start,
    "stop": lifecycle.stop,
    "delete": lifecycle.delete,
    "logs": lifecycle.logs,
    "history": lifecycle.history,
    "predict": lambda site, name: lifecycle.predict(site, name, inputs=[[1]]),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_no_verb_works_on_what_is_not_there(live, verb):
    with pytest.raises(NotFound, match="Deployments: iris"):
        verb(live, "roses")


def test_starting_what_answers_changes_nothing(live):
    before = events(live)
    assert lifecycle.start(live, "iris").serving == 1
    assert (events(live), live.scripted.applied) == (before, [1])


def test_starting_what_was_stopped_applies_the_last_good_revision(live):
    lifecycle.stop(live, "iris")
    assert lifecycle.start(live, "iris").serving == 1
    assert live.scripted.applied == [1, 1]
    assert not live.ledger("iris").state().stopped


def test_starting_mends_what_no_longer_answers(live):
    live.scripted.serving = None
    assert lifecycle.start(live, "iris").serves(1)


def test_starting_what_does_not_start_any_more_says_why(live):
    lifecycle.stop(live, "iris")
    live.scripted.broken = {1}
    with pytest.raises(ProvisionFailed, match="SCRIPT_ERROR: it raised"):
        lifecycle.start(live, "iris")


def test_what_was_never_proven_cannot_be_started(site):
    with pytest.raises(NotFound, match=r"none was ever proven\. Deploy it"):
        lifecycle.start(fail_first(site), "iris")


def test_stopping_ends_what_runs_and_is_remembered(live):
    assert lifecycle.stop(live, "iris").state is State.STOPPED
    assert live.scripted.stopped
    assert live.ledger("iris").state().stopped


class FullStore(DirectoryStore):
    """A store that takes nothing more."""

    def put_if_absent(self, key, body):
        raise StoreRefused("No space is left.", mend="Free some.")


class FullSite(ScriptedSite):
    """A site whose ledger cannot be written."""

    def ledger(self, deployment):
        return Ledger(FullStore(self.settings.home / "store"), self.settings.project, deployment, actor=self.actor)


def test_a_full_disk_cannot_prevent_stopping_and_is_told(live):
    site = FullSite(live.settings, live.actor, live.scripted)
    with pytest.raises(PlatformError, match=r"'iris' is stopped, but its ledger could not be told: No space is left"):
        lifecycle.stop(site, "iris")
    assert live.scripted.stopped


def test_what_has_an_unreadable_ledger_can_be_stopped_by_its_name(live):
    spoil(live, "iris")
    with pytest.raises(PlatformError, match="'iris' is stopped, but its ledger could not be told"):
        lifecycle.stop(live, "iris")
    assert live.scripted.stopped


def spoil(site, name):
    newest = next(site.store.list(f"Projects/default/Ledger/{name}/"))
    (site.settings.home / "store" / newest.key).write_bytes(b"{")


def test_who_stops_is_told_that_somebody_started_it_again(live):
    def start_again():
        live.ledger("iris").record(lambda state: Change(Event.STARTED, state.model_copy(update={"stopped": False}), 1))
        live.scripted.apply(a_revision())

    live.scripted.meanwhile = [start_again]
    with pytest.raises(CallerError, match="'iris' was started again by ada@lovelace meanwhile"):
        lifecycle.stop(live, "iris")


def test_what_a_deploy_applied_once_more_is_stopped_once_more(live):
    live.scripted.meanwhile = [lambda: live.scripted.apply(a_revision())]
    assert lifecycle.stop(live, "iris").state is State.STOPPED


def test_what_does_not_stop_in_time_is_told_in_a_sentence_of_its_own(live):
    live.scripted.stops_at_once = False
    with pytest.raises(PlatformError, match=r"^Deployment 'iris' did not stop within 0 s; seen last"):
        lifecycle.stop(live, "iris", timeout_s=0)


def test_starting_tells_its_stages(live):
    lifecycle.stop(live, "iris")
    live.scripted.meanwhile = [list, lambda: setattr(live.scripted, "unavailable_looks", 1)]
    stages: list[str] = []
    lifecycle.start(live, "iris", on_stage=stages.append)
    assert stages == ["waiting for the serving tool: It blinked."]


def test_stopping_gives_up_what_is_in_flight(live):
    live.scripted.starting = {2}
    rollout.provision(live, a_revision(smoke_requests=ANOTHER))
    lifecycle.stop(live, "iris")
    state = live.ledger("iris").state()
    assert state.candidate is None
    assert state.live is not None
    assert state.live.number == 1


def test_deleting_stops_first_and_keeps_the_history(live):
    lifecycle.delete(live, "iris")
    assert live.scripted.stopped
    assert live.scripted.applied == []
    assert events(live)[-2:] == [Event.STOPPED, Event.DELETED]


def test_what_was_deleted_is_not_found_any_more(live):
    lifecycle.delete(live, "iris")
    with pytest.raises(NotFound, match="Deployments: none yet"):
        lifecycle.view(live, "iris")


def test_the_history_of_what_was_deleted_can_be_read(live):
    lifecycle.delete(live, "iris")
    assert lifecycle.history(live, "iris")[-1].event is Event.DELETED


def test_what_failed_stays_in_quarantine_when_it_is_deleted(site):
    lifecycle.delete(fail_first(site), "iris")
    assert [failed.revision for failed in site.ledger("iris").state().quarantine.values()] == [1]


def test_all_deployments_are_listed_by_name(live):
    go_live(live, a_revision(deployment="a"))
    assert [view.name for view in lifecycle.deployments(live)] == ["a", "iris"]


def test_one_unreadable_ledger_does_not_hide_the_others(live):
    go_live(live, a_revision(deployment="a"))
    spoil(live, "iris")
    fine, spoilt = lifecycle.deployments(live)
    assert (fine.name, fine.seen.serving, fine.unreadable) == ("a", 1, "")
    assert (spoilt.name, "Ledger/iris/" in spoilt.unreadable) == ("iris", True)


def test_asking_what_does_not_run_says_how_to_start_it(live):
    lifecycle.stop(live, "iris")
    with pytest.raises(InferenceFailed, match=r"'iris' is not running\. Run `moorage deployment start iris`"):
        lifecycle.predict(live, "iris", inputs=[[1]])


def test_rule_44_a_language_model_is_asked_by_another_client(site):
    go_live(site, a_revision(model_server="VLLM"))
    with pytest.raises(CallerError, match=r"served by VLLM, which does not predict\. .* Ask it with an OpenAI client"):
        lifecycle.predict(site, "iris", inputs=[[1]])


def test_asking_what_cannot_be_reached_says_where_it_was_looked_for(live):
    with pytest.raises(InferenceFailed, match=r"'iris' does not answer at http://127\.0\.0\.1:1"):
        lifecycle.predict(live, "iris", inputs=[[1]])


def test_logs_are_those_of_the_revision_asked_for(live):
    assert lifecycle.logs(live, "iris", revision=7) == ("a line of revision 7",)


def test_logs_can_be_read_of_what_is_stopped(live):
    lifecycle.stop(live, "iris")
    assert lifecycle.logs(live, "iris") == ("a line of revision None",)


def test_the_history_tells_everything_from_the_beginning(live):
    assert [entry.event for entry in lifecycle.history(live, "iris")] == [
        Event.PROPOSED,
        Event.APPLIED,
        Event.PROMOTED,
    ]
