"""The share of the requests that a revision gets, given what was asked for before."""

from dataclasses import replace

import pytest

from moorage.serving.cluster.shape import Wish, share_of

ALONE = Wish(applied=1, running=True, least=1, revision=None)
ON_TRIAL = replace(ALONE, applied=2, share=20)
STOPPED = replace(ALONE, running=False)

# asked, number, what was asked for before -> the share
SHARES = {
    "all, and nothing was there": (None, 1, None, None),
    "a share, and nothing was there": (20, 1, None, None),
    "a share beside what was stopped": (20, 2, STOPPED, None),
    "a share": (20, 2, ALONE, 20),
    "all": (None, 2, ALONE, None),
    "the share that it has": (20, 2, ON_TRIAL, 20),
    "another share than it has": (50, 2, ON_TRIAL, 50),
    "all instead of a share": (None, 2, ON_TRIAL, None),
    "a share of what it has all of": (20, 1, ALONE, None),
    "a share beside one on trial": (30, 3, ON_TRIAL, 30),
    "all beside one on trial, such as the last good one": (None, 1, ON_TRIAL, 0),
    "all beside one that got none at first": (None, 3, replace(ON_TRIAL, share=0), 0),
}


@pytest.mark.parametrize(("asked", "number", "wish", "share"), SHARES.values(), ids=SHARES.keys())
def test_a_revision_on_trial_never_gets_what_was_not_meant_for_it(asked, number, wish, share):
    assert share_of(asked, number, wish) == share
