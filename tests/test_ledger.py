"""The ledger of a deployment, in a real store."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from moorage.errors import IntegrityError, NotFound
from moorage.ledger import Change, Event, Ledger, LedgerState, deployments_in
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from moorage.store.directory import DirectoryStore
from tests.values import a_revision

WRITERS = 4
ENTRIES = 5


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def ledger(store):
    return Ledger(store, "default", "iris", actor="ada@lovelace")


def one_more(state: LedgerState) -> Change:
    number = state.last_number + 1
    return Change(Event.PROPOSED, LedgerState(last_number=number), number)


def keys(store):
    return [info.key for info in store.list("")]


def entries_of(folder, store):
    """Paths of the ledger's entries, newest first."""
    return [folder / key for key in keys(store)]


def test_a_deployment_without_a_history_was_never_proposed(ledger):
    assert ledger.state() == LedgerState()
    assert ledger.history() == []


def test_what_is_recorded_is_how_things_stand(ledger):
    recorded = ledger.record(one_more)
    assert recorded == ledger.state() == LedgerState(last_number=1)


def test_a_state_is_read_as_it_was_written(ledger):
    state = LedgerState(last_number=2, live=a_revision(1), candidate=a_revision(2), stopped=True)
    ledger.record(lambda _: Change(Event.STOPPED, state))
    assert ledger.state() == state


def test_a_decision_to_change_nothing_writes_nothing(ledger, store):
    ledger.record(one_more)
    before = keys(store)
    assert ledger.record(lambda _: None) == LedgerState(last_number=1)
    assert keys(store) == before


def test_a_decision_that_raises_writes_nothing(ledger, store):
    def refuse(_: LedgerState) -> Change:
        raise NotFound("There is nothing to stop.")

    with pytest.raises(NotFound, match="nothing to stop"):
        ledger.record(refuse)
    assert keys(store) == []


def test_the_history_is_told_from_its_beginning(ledger):
    for _ in range(12):
        ledger.record(one_more)
    assert [(entry.seq, entry.revision) for entry in ledger.history()] == [(n, n) for n in range(1, 13)]


def test_an_entry_says_who_did_what_and_why(ledger):
    verdict = Verdict(Cause.SCRIPT_ERROR, "it raised", file="predictor.py", line=7, evidence=("a line",))
    ledger.record(lambda state: Change(Event.FAILED, state, 3, "tried out", verdict))
    [entry] = ledger.history()
    assert (entry.actor, entry.event, entry.revision) == ("ada@lovelace", Event.FAILED, 3)
    assert (entry.reason, entry.verdict) == ("tried out", verdict)


def test_of_many_writers_at_once_none_is_lost(ledger):
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda _: [ledger.record(one_more) for _ in range(ENTRIES)], range(WRITERS)))
    assert [entry.state.last_number for entry in ledger.history()] == list(range(1, WRITERS * ENTRIES + 1))


def test_who_was_beaten_to_it_decides_anew(ledger):
    seen: list[int] = []

    def decide(state: LedgerState) -> Change:
        if not seen:
            ledger.record(one_more)
        seen.append(state.last_number)
        return one_more(state)

    assert ledger.record(decide).last_number == 2
    assert seen == [0, 1]


def test_an_entry_that_was_altered_is_told(ledger, store, tmp_path):
    for _ in range(3):
        ledger.record(one_more)
    path = entries_of(tmp_path / "store", store)[1]
    path.write_bytes(path.read_bytes().replace(b"ada@lovelace", b"eve@lovelace"))
    with pytest.raises(IntegrityError, match=r"Entry 2 of the log .*iris.* was changed"):
        ledger.history()


def test_an_entry_that_was_removed_is_told(ledger, store, tmp_path):
    for _ in range(3):
        ledger.record(one_more)
    entries_of(tmp_path / "store", store)[1].unlink()
    with pytest.raises(IntegrityError, match=r"Entry 2 of the log .*iris.* is missing"):
        ledger.history()


def test_an_entry_that_is_no_json_any_more_is_told(ledger, store, tmp_path):
    ledger.record(one_more)
    entries_of(tmp_path / "store", store)[0].write_bytes(b"{")
    with pytest.raises(IntegrityError, match="Ledger/iris/"):
        ledger.state()


def test_deployments_are_listed_by_name_without_those_deleted(store):
    for name in ("roses", "iris", "gone"):
        Ledger(store, "default", name).record(one_more)
    Ledger(store, "default", "gone").record(lambda _: Change(Event.DELETED, LedgerState(last_number=1, deleted=True)))
    assert deployments_in(store, "default") == ["iris", "roses"]


def test_what_no_deployment_can_be_called_is_not_listed(store):
    Ledger(store, "default", "iris").record(one_more)
    for key in ("notes.txt", "README", "old_iris/1.json", "iris-2/1.json"):
        store.put_if_absent(f"Projects/default/Ledger/{key}", b"{}")
    assert deployments_in(store, "default") == ["iris"]


def test_a_deployment_whose_ledger_cannot_be_read_is_listed(ledger, store, tmp_path):
    ledger.record(one_more)
    entries_of(tmp_path / "store", store)[0].write_bytes(b"{")
    assert deployments_in(store, "default") == ["iris"]


def test_an_entry_from_before_failures_were_remembered_is_read(ledger, store, tmp_path):
    ledger.record(one_more)
    path = entries_of(tmp_path / "store", store)[0]
    entry = json.loads(path.read_text())
    del entry["body"]["state"]["last_failure"]
    path.write_text(json.dumps(entry))
    assert ledger.state() == LedgerState(last_number=1)


def test_the_newest_entry_is_the_one_written_last(ledger):
    assert ledger.newest() is None
    ledger.record(one_more)
    ledger.record(one_more)
    assert ledger.newest() == ledger.history()[-1]


def test_projects_and_names_that_begin_alike_are_kept_apart(store):
    Ledger(store, "team", "iris").record(one_more)
    Ledger(store, "team_a", "iris2").record(one_more)
    assert deployments_in(store, "team") == ["iris"]
    assert Ledger(store, "team", "iris2").state() == LedgerState()


def test_the_newest_revision_is_the_one_in_flight_else_the_live_one():
    live, candidate = a_revision(1), a_revision(2)
    assert LedgerState(live=live, candidate=candidate).newest == candidate
    assert LedgerState(live=live).newest == live
    assert LedgerState().newest is None
