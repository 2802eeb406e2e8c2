"""Champion and challenger."""

import pytest

from moorage.contest import Contest, Score, decide
from moorage.errors import CallerError

# contest, the challenger's auc, the champion's -> whether the challenger wins, and why
ROWS = {
    "better": ({}, 0.93, 0.91, True, "auc 0.93 beats 0.91 of version 1"),
    "as good": ({}, 0.91, 0.91, False, "auc 0.91 does not beat 0.91 of version 1"),
    "worse": ({}, 0.9, 0.91, False, "auc 0.9 does not beat 0.91 of version 1"),
    "by the margin": ({"margin": 0.5}, 1.5, 1.0, True, "auc 1.5 beats 1 of version 1 by 0.5"),
    "by less than the margin": ({"margin": 0.5}, 1.4, 1.0, False, "auc 1.4 does not beat 1 of version 1 by 0.5"),
    "lower, where that is better": ({"lower_is_better": True}, 0.1, 0.2, True, "auc 0.1 beats 0.2 of version 1"),
    "higher, where lower is better": ({"lower_is_better": True}, 0.3, 0.2, False, "auc 0.3 does not beat 0.2"),
}


@pytest.mark.parametrize(("said", "new", "old", "wins", "why"), ROWS.values(), ids=ROWS.keys())
def test_the_better_one_wins_and_both_numbers_are_told(said, new, old, wins, why):
    decision = decide(Contest(metric="auc", **said), Score(2, {"auc": new}), Score(1, {"auc": old}))
    assert decision.challenger_wins is wins
    assert decision.why.startswith(why)


@pytest.mark.parametrize("champion", [None, Score(1, {}), Score(1, {"f1": 0.9})], ids=["none", "no metrics", "others"])
def test_what_cannot_be_compared_with_is_beaten(champion):
    decision = decide(Contest(metric="auc"), Score(2, {"auc": 0.1}), champion)
    assert (decision.challenger_wins, decision.why) == (True, "auc 0.1, and nothing to compare it with")


def test_a_challenger_without_the_metric_is_an_error_that_names_those_it_has():
    with pytest.raises(CallerError, match=r"Version 2 has no metric 'auc' .* It has f1, loss\."):
        decide(Contest(metric="auc"), Score(2, {"loss": 1, "f1": 0.9}), Score(1, {"auc": 0.9}))
