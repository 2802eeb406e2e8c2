"""Which revision a deployment goes back to."""

import pytest

from moorage.deployment import SmokeRequest
from moorage.errors import CallerError, NotFound
from moorage.ledger import Event, LedgerEntry, LedgerState
from moorage.rollback import find_revision, promoted
from tests.values import a_revision


def revision(number, content):
    return a_revision(number, smoke_requests=(SmokeRequest(inputs=[[content]]),))


def history(*contents, live=True):
    """Revisions 1, 2, … of these contents, promoted one after the other; None: that one failed."""
    entries, last = [], None
    for number, content in enumerate(contents, start=1):
        if content is None:
            event = Event.FAILED
        else:
            event, last = Event.PROMOTED, revision(number, content)
        state = LedgerState(last_number=number, live=last)
        entries.append(LedgerEntry(number, "", "ada", event, number, "", None, state))
    if not live:
        entries.append(LedgerEntry(9, "", "ada", Event.DELETED, None, "", None, LedgerState(last_number=9)))
    return entries


BACK = {
    "the one before": (history("a", "b"), 1),
    "over one that failed": (history("a", None, "b"), 1),
    "the newest of several": (history("a", "b", "c"), 2),
    "back once more, after going back": (history("a", "b", "c", "b"), 1),
    "what was live, after a deletion": (history("a", "b", live=False), 2),
}


@pytest.mark.parametrize(("entries", "number"), BACK.values(), ids=BACK.keys())
def test_the_last_good_one_before_what_is_live(entries, number):
    assert find_revision("iris", entries, None).number == number


NOTHING = {"one revision": history("a"), "all failed": history(None), "gone back to the first": history("a", "b", "a")}


@pytest.mark.parametrize("entries", NOTHING.values(), ids=NOTHING.keys())
def test_where_nothing_was_proven_before_the_message_says_what_was_ever(entries):
    with pytest.raises(NotFound, match=r"has nothing to go back to\. .* Proven: (1|none)"):
        find_revision("iris", entries, None)


def test_a_revision_by_its_number():
    assert find_revision("iris", history("a", "b", "c"), 1).number == 1
    assert find_revision("iris", history("a", "b", "c", "a"), 3).number == 3


def test_one_that_was_never_proven_is_refused_and_those_that_were_are_named():
    with pytest.raises(NotFound, match=r"cannot go back to revision 2: it was never proven\. Proven: 1 \(iris_cl"):
        find_revision("iris", history("a", None, "b"), 2)


@pytest.mark.parametrize("number", [1, 3])
def test_what_is_live_is_nothing_to_go_back_to(number):
    with pytest.raises(CallerError, match=f"Revision {number} .* is what is live now"):
        find_revision("iris", history("a", "b", "a"), number)


def test_what_was_promoted_is_told_by_number():
    assert [each.number for each in promoted(history("a", None, "b"))] == [1, 3]
