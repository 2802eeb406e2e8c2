"""What may run is pinned in the registry, whoever writes meanwhile and wherever a run is killed."""

from collections.abc import Callable
from functools import cached_property

import pytest

from moorage import lifecycle, rollout
from moorage.deployment import OnFailure, Rollout, SmokeRequest
from moorage.errors import CallerError, NotFound, StoreUnavailable
from moorage.ledger import Change, Event
from moorage.pinning import pins_by_model, put_pins_right
from moorage.registry.references import Pin
from moorage.rollout import ProposalKind
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from moorage.store.directory import DirectoryStore
from tests.scripted_backend import ScriptedBackend, ScriptedSite, publish, scripted_site
from tests.values import a_model, a_revision

MODEL = "iris_classifier"
ANOTHER = (SmokeRequest(inputs=[[1]]),)
RAISED = Verdict(Cause.SCRIPT_ERROR, "it raised")
SECOND = a_revision(model=a_model(2))


@pytest.fixture
def site(tmp_path):
    """A site with three versions of the model."""
    return scripted_site(tmp_path, versions=3)


@pytest.fixture
def live(site):
    """The same, with version 1 live as revision 1."""
    go_live(site, a_revision())
    return site


def go_live(site, draft):
    revision = rollout.provision(site, draft).revision
    rollout.wait(site, revision)
    rollout.promote(site, revision)
    return revision


def start(site, draft):
    """Takes a revision as far as its wait."""
    site.scripted.starting = {1, 2, 3, 4}
    return rollout.provision(site, draft).revision


def held(site, model=MODEL):
    """Version and revision of each pin of the deployment."""
    return {(pin.version, pin.revision) for pin in site.registry.references(model).state().pins_of("iris")}


def entries(site, model=MODEL):
    return len(site.registry.references(model).history())


def test_what_is_live_and_what_is_in_flight_cannot_be_deleted(live):
    start(live, SECOND)
    assert held(live) == {(1, 1), (2, 2)}
    for version in (1, 2):
        with pytest.raises(CallerError, match=r"deployment 'iris' is pinned to it.*Deploy another version there"):
            live.registry.references(MODEL).delete(version)


def test_a_promotion_lets_go_of_the_revision_that_it_replaces(live):
    go_live(live, SECOND)
    assert held(live) == {(2, 2)}
    assert live.registry.references(MODEL).delete(1) is not None


class Watching(ScriptedBackend):
    """Looks at the pins whenever a revision is applied."""

    site: ScriptedSite
    seen: set[tuple[int, int]]

    def apply(self, revision):
        self.seen = held(self.site)
        super().apply(revision)


def test_what_is_applied_was_pinned_before(live):
    backend = Watching(applied=[1], serving=1)
    backend.site = site = ScriptedSite(live.settings, live.actor, backend)
    rollout.provision(site, SECOND)
    assert backend.seen == {(1, 1), (2, 2)}


def test_what_was_taken_back_is_let_go(live):
    revision = rollout.provision(live, SECOND).revision
    rollout.restore(live, revision, RAISED)
    assert held(live) == {(1, 1)}


def test_what_failed_and_was_left_to_be_looked_at_stays_pinned(live):
    kept = SECOND.model_copy(update={"rollout": Rollout(on_failure=OnFailure.KEEP)})
    rollout.restore(live, rollout.provision(live, kept).revision, RAISED)
    put_pins_right(live, "iris", [MODEL])
    assert held(live) == {(1, 1), (2, 2)}


def test_what_is_superseded_is_let_go_once_its_successor_is_applied(live):
    start(live, SECOND)
    start(live, a_revision(model=a_model(3)))
    assert held(live) == {(1, 1), (3, 3)}


@pytest.mark.parametrize("end", ["promoted", "superseded"])
def test_a_deployment_that_moved_to_another_model_lets_go_of_the_former(live, tmp_path, end):
    publish(live, tmp_path, versions=1, model="roses")
    revision = start(live, a_revision(model=a_model(1, "roses")))
    assert (held(live), held(live, "roses")) == ({(1, 1)}, {(1, 2)})
    if end == "promoted":
        rollout.promote(live, revision)
        assert (held(live), held(live, "roses")) == (set(), {(1, 2)})
    else:
        start(live, SECOND)
        assert (held(live), held(live, "roses")) == ({(1, 1), (2, 3)}, set())


class CountedStore(DirectoryStore):
    """Counts what is read of the references, and what is written at all."""

    def __init__(self, root):
        super().__init__(root)
        self.read, self.written = 0, 0

    def get(self, key, **part):
        self.read += "/r/" in key
        return super().get(key, **part)

    def list(self, prefix, **limit):
        self.read += "/r/" in prefix
        return super().list(prefix, **limit)

    def put_if_absent(self, key, body):
        self.written += 1
        return super().put_if_absent(key, body)


class CountedSite(ScriptedSite):
    @cached_property
    def store(self):
        return CountedStore(self.settings.home / "store")


def test_an_unchanged_redeploy_reads_little_and_writes_nothing(live):
    site = CountedSite(live.settings, live.actor, live.scripted)
    assert rollout.provision(site, a_revision()).kind is ProposalKind.UNCHANGED
    assert (site.store.written, site.store.read) == (0, 3)


def test_what_was_deleted_just_before_is_told_and_nothing_is_applied(live):
    live.registry.references(MODEL).delete(2, actor="ann", reason="leaks names")
    before = live.ledger("iris").history()
    with pytest.raises(NotFound, match=r"Version 2 .* was deleted on .* by ann: leaks names"):
        rollout.provision(live, SECOND)
    assert (live.ledger("iris").history(), live.scripted.applied) == (before, [1])


def test_what_was_deleted_after_it_was_proposed_is_not_applied(live):
    revision = rollout.propose(live, SECOND, live.scripted.observe("iris")).revision
    live.registry.references(MODEL).delete(2)
    with pytest.raises(NotFound, match="Version 2 of model 'iris_classifier' was deleted"):
        rollout.apply(live, revision)
    assert live.scripted.applied == [1]


def test_a_run_killed_between_proposal_and_pin_is_made_up_for(live):
    rollout.propose(live, SECOND, live.scripted.observe("iris"))
    assert held(live) == {(1, 1)}
    assert rollout.provision(live, SECOND).kind is ProposalKind.ADOPTED
    assert held(live) == {(1, 1), (2, 2)}


def test_a_run_killed_between_promotion_and_pin_leaves_one_too_many_and_is_made_up_for(live):
    revision = rollout.provision(live, SECOND).revision
    live.ledger("iris").record(
        lambda state: Change(Event.PROMOTED, state.model_copy(update={"live": revision, "candidate": None}), 2)
    )
    assert held(live) == {(1, 1), (2, 2)}
    rollout.provision(live, SECOND)
    assert held(live) == {(2, 2)}


class RivalledStore(DirectoryStore):
    """Somebody else does something just before an entry of the references is written."""

    rival: Callable[[], object] | None = None

    def put_if_absent(self, key, body):
        if "/r/" in key and self.rival is not None:
            rival, self.rival = self.rival, None
            rival()
        return super().put_if_absent(key, body)


class RivalledSite(ScriptedSite):
    @cached_property
    def store(self):
        return RivalledStore(self.settings.home / "store")


def test_who_lets_go_does_not_let_go_of_what_somebody_pins_meanwhile(live):
    """Revision 3 runs just what revision 1 ran, so that nothing but its number tells their pins apart."""
    revision = rollout.provision(live, SECOND).revision
    rivalled = RivalledSite(live.settings, live.actor, live.scripted)
    rivalled.store.rival = lambda: start(live, a_revision())
    rollout.promote(rivalled, revision)
    assert live.ledger("iris").state().newest.number == 3
    assert held(live) == {(2, 2), (1, 3)}


def test_stopping_keeps_the_pins_and_deleting_takes_them_off(live):
    lifecycle.stop(live, "iris")
    assert held(live) == {(1, 1)}
    lifecycle.delete(live, "iris")
    assert held(live) == set()


def test_deleting_takes_off_what_is_in_flight_too(live, tmp_path):
    publish(live, tmp_path, versions=1, model="roses")
    start(live, a_revision(model=a_model(1, "roses")))
    lifecycle.delete(live, "iris")
    assert (held(live), held(live, "roses")) == (set(), set())


def test_what_was_deployed_before_there_were_pins_is_pinned_by_the_next_deploy_or_start(live):
    live.registry.references(MODEL).unpin("iris")
    rollout.provision(live, a_revision())
    assert held(live) == {(1, 1)}
    live.registry.references(MODEL).unpin("iris")
    lifecycle.stop(live, "iris")
    lifecycle.start(live, "iris")
    assert held(live) == {(1, 1)}


def test_what_was_deployed_and_deleted_before_there_were_pins_can_be_replaced(live):
    live.registry.references(MODEL).unpin("iris")
    live.registry.references(MODEL).delete(1)
    start(live, SECOND)
    assert held(live) == {(2, 2)}


class Away(DirectoryStore):
    """Takes no entry of the references."""

    def put_if_absent(self, key, body):
        if "/r/" in key:
            raise StoreUnavailable("The store did not answer.")
        return super().put_if_absent(key, body)


class AwaySite(ScriptedSite):
    @cached_property
    def store(self):
        return Away(self.settings.home / "store")


def test_pins_that_cannot_be_taken_off_are_a_warning_and_no_failure(live, caplog):
    revision = rollout.provision(live, SECOND).revision
    rollout.promote(AwaySite(live.settings, live.actor, live.scripted), revision)
    assert live.ledger("iris").state().live.number == 2
    assert "deployment iris: its pins on model iris_classifier are left as they were" in caplog.text
    assert held(live) == {(1, 1), (2, 2)}


def test_what_cannot_be_pinned_is_not_applied(live):
    away = AwaySite(live.settings, live.actor, live.scripted)
    with pytest.raises(StoreUnavailable):
        rollout.provision(away, SECOND)
    assert live.scripted.applied == [1]


def test_pins_are_told_apart_by_model_and_by_revision():
    revisions = [a_revision(1), a_revision(2), a_revision(3, model=a_model(4, "roses"))]
    assert pins_by_model(revisions) == {MODEL: {Pin(1, 1, 1), Pin(1, 1, 2)}, "roses": {Pin(4, 1, 3)}}
