"""What garbage collection frees, and what it spares because some deployment needs it."""

from collections.abc import Callable
from functools import cached_property

import pytest

from moorage import lifecycle, rollout
from moorage.errors import CallerError, IntegrityError, NotFound
from moorage.ledger import Change, Event
from moorage.registry.garbage import Collected, Freed, FreedBecause
from moorage.registry.references import Pin
from moorage.retention import ProvenVersions, Tidied, WrongPins, collect_garbage
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from moorage.store.directory import DirectoryStore
from tests.scripted_backend import ScriptedSite, publish, scripted_site
from tests.values import a_model, a_revision

MODEL = "iris_classifier"


@pytest.fixture
def site(tmp_path):
    """A site with five versions of the model, none of them deployed."""
    return scripted_site(tmp_path, versions=5)


def propose(site, version, **changes):
    return rollout.provision(site, a_revision(model=a_model(version), **changes)).revision


def go_live(site, version, **changes):
    revision = propose(site, version, **changes)
    rollout.promote(site, revision)


def references(site):
    return site.registry.references(MODEL)


def freed(site, **options):
    return [(item.version, item.because) for item in collect_garbage(site, **options).collected.freed]


def left(site):
    return [model.version for model in site.registry.versions(MODEL)]


def test_what_was_ever_live_is_spared_and_what_never_was_is_not(site):
    go_live(site, 1)
    go_live(site, 2)
    rollout.restore(site, propose(site, 3), Verdict(Cause.SCRIPT_ERROR, "it raised"))
    assert freed(site, keep=1) == [(4, FreedBecause.BEYOND_KEPT), (3, FreedBecause.BEYOND_KEPT)]
    assert left(site) == [5, 2, 1]


def test_what_was_proven_and_never_promoted_is_spared(site):
    revision = propose(site, 2)
    site.ledger("iris").record(lambda state: Change(Event.PROVEN, state, revision.number))
    go_live(site, 3)
    collect_garbage(site, keep=1)
    assert left(site) == [5, 3, 2]


def test_what_is_in_flight_is_spared(site):
    propose(site, 2)
    collect_garbage(site, keep=1)
    assert left(site) == [5, 2]


def test_what_is_in_the_ledger_and_not_pinned_yet_is_spared_and_pinned(site):
    rollout.propose(site, a_revision(model=a_model(2)), site.scripted.observe("iris"))
    collect_garbage(site, keep=1)
    assert (left(site), references(site).state().pins) == ([5, 2], {"iris": {Pin(2, 1, 1)}})


def test_what_an_alias_points_to_is_spared(site):
    references(site).move_aliases({"champion": 1})
    collect_garbage(site, keep=2)
    assert left(site) == [5, 4, 1]


def test_a_deployment_that_was_deleted_holds_nothing(site):
    go_live(site, 1)
    lifecycle.delete(site, "iris")
    collect_garbage(site, keep=1)
    assert left(site) == [5]


def test_without_a_number_to_keep_no_version_is_deleted(site):
    assert (freed(site), left(site)) == ([], [5, 4, 3, 2, 1])


def test_all_models_are_collected_unless_one_is_named(site, tmp_path):
    publish(site, tmp_path, versions=3, model="roses")
    assert freed(site, model="roses", keep=2) == [(1, "BEYOND_KEPT")]
    assert freed(site, keep=2) == [(3, "BEYOND_KEPT"), (2, "BEYOND_KEPT"), (1, "BEYOND_KEPT")]


def leave_pins_behind(site):
    """As a run does that is killed when it has deleted the deployment, and not yet taken off its pins."""
    go_live(site, 1)
    references(site).pin("iris", {Pin(1, 1, 1), Pin(2, 1, 7)})
    gone = {"live": None, "deleted": True}
    site.ledger("iris").record(lambda state: Change(Event.DELETED, state.model_copy(update=gone)))


def test_pins_that_a_killed_run_left_are_taken_off_and_hold_nothing(site):
    leave_pins_behind(site)
    tidied = collect_garbage(site, keep=1)
    assert [str(pins) for pins in tidied.pins] == [
        "model iris_classifier: deployment iris pins versions 1, 2, not in its ledger"
    ]
    assert (left(site), references(site).state().pins) == ([5], {})
    assert collect_garbage(site, keep=1) == Tidied(Collected((), dry_run=False))


def test_pins_of_versions_that_the_ledger_no_longer_names_are_taken_off(site):
    go_live(site, 3)
    references(site).pin("iris", {Pin(3, 1, 1), Pin(2, 1, 7)})
    collect_garbage(site)
    assert references(site).state().pins == {"iris": {Pin(3, 1, 1)}}


def test_a_pin_under_a_name_that_has_no_ledger_is_somebody_elses_and_left_alone(site):
    references(site).pin("theirs", {Pin(2, 1)})
    collect_garbage(site, keep=1)
    assert (left(site), references(site).state().pins) == ([5, 2], {"theirs": {Pin(2, 1)}})


def test_a_dry_run_frees_nothing_and_foresees_the_very_same(site):
    leave_pins_behind(site)
    go_live(site, 3, deployment="roses")
    before = [info.key for info in site.store.list("")]
    foreseen = collect_garbage(site, keep=1, dry_run=True)
    assert [info.key for info in site.store.list("")] == before
    done = collect_garbage(site, keep=1)
    assert (foreseen.collected.freed, foreseen.pins) == (done.collected.freed, done.pins)
    assert [(item.version, item.files) for item in done.collected.freed] == [(4, 2), (2, 2), (1, 2)]


def spoil_ledger(site):
    newest = next(site.store.list("Projects/default/Ledger/iris/"))
    (site.settings.home / "store" / newest.key).write_bytes(b"{")


def test_no_version_is_deleted_while_a_ledger_cannot_be_read(site):
    go_live(site, 1)
    spoil_ledger(site)
    with pytest.raises(IntegrityError, match="ledger of deployment 'iris' cannot be read, so no version is deleted"):
        collect_garbage(site, keep=1)
    assert (left(site), len(references(site).history())) == ([5, 4, 3, 2, 1], 1)


def test_what_is_garbage_for_sure_is_freed_while_a_ledger_cannot_be_read(site, caplog):
    go_live(site, 1)
    spoil_ledger(site)
    references(site).delete(4)
    site.store.put_if_absent(f"Projects/default/Models/{MODEL}/4/Files/late", b"late")
    assert freed(site) == [(4, FreedBecause.DELETED)]
    assert "deployment iris: its pins are left as they are" in caplog.text
    assert references(site).state().pins == {"iris": {Pin(1, 1, 1)}}


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


def deploy_twice(site):
    """Version 2 goes live and is replaced: it is pinned no more, but was proven."""
    go_live(site, 2)
    go_live(site, 5)


MEANWHILE = {"is proposed": (lambda site: propose(site, 2), [5, 2]), "comes and goes": (deploy_twice, [5, 2])}


@pytest.mark.parametrize(("deploy", "expected"), MEANWHILE.values(), ids=MEANWHILE.keys())
def test_what_somebody_deploys_just_before_it_would_be_deleted_is_spared(site, deploy, expected):
    rivalled = RivalledSite(site.settings, site.actor, site.scripted)
    rivalled.store.rival = lambda: deploy(site)
    collect_garbage(rivalled, keep=1)
    assert left(site) == expected


WRONG: dict[str, tuple[dict[str, object], type[CallerError], str]] = {
    "nothing to keep": ({"keep": 0}, CallerError, r"keep is 0\. The newest version is always kept"),
    "a lease that is no time": ({"lease_s": float("nan")}, CallerError, r"lease_s is nan\. It is a time in seconds"),
    "a lease before now": ({"lease_s": -1}, CallerError, "Give 0 or more"),
    "a model that never was": ({"model": "rises"}, NotFound, "no model 'rises'.*It has 'iris_classifier'"),
}


@pytest.mark.parametrize(("options", "error", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_asked_wrongly_is_told_before_anything_is_changed(site, options, error, message):
    leave_pins_behind(site)
    with pytest.raises(error, match=message):
        collect_garbage(site, **{"keep": 1, **options})
    assert (left(site), len(references(site).history())) == ([5, 4, 3, 2, 1], 2)


def test_a_ledger_is_read_again_only_when_somebody_wrote_to_it(site):
    proven = ProvenVersions(site)
    go_live(site, 1)
    assert proven.of(MODEL) == proven.of(MODEL) == {1}
    go_live(site, 2)
    assert (proven.of(MODEL), proven.of("roses")) == ({1, 2}, set())


FREED = (Freed("iris", 4, FreedBecause.ABANDONED, 1, 1024), Freed("iris", 1, FreedBecause.BEYOND_KEPT, 2, 512))


def test_what_was_freed_is_told_in_a_sentence_and_as_a_table():
    assert Tidied(Collected(FREED, dry_run=False)).headline == "2 versions, 3 files, 1.5 KiB freed"
    assert Tidied(Collected(FREED[:1], dry_run=True)).headline == "1 version, 1 file, 1.0 KiB would be freed"
    assert Tidied(Collected((), dry_run=True)).headline == "nothing to free"
    assert [list(row.values()) for row in Tidied(Collected(FREED, dry_run=False)).rows] == [
        ["iris", 4, "abandoned", 1, 1024],
        ["iris", 1, "beyond kept", 2, 512],
        ["total", "", "", 3, 1536],
    ]


def test_pins_that_are_missing_are_told_too():
    wrong = WrongPins("iris", "fraud", frozenset({Pin(1, 0, 1)}), frozenset({Pin(2, 0, 2), Pin(3, 0, 3)}))
    assert str(wrong) == (
        "model iris: deployment fraud pins version 1, not in its ledger and does not pin versions 2, 3 of its ledger"
    )
