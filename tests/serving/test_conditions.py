"""How far a deployment has come, for each state and each cause."""

import pytest

from moorage.deployment import State
from moorage.serving.base import Observation
from moorage.serving.conditions import Condition, Step, condition_of, step_of
from moorage.serving.verdict import Verdict
from moorage.startup import Cause

REACHED: dict[State, tuple[Step, bool | None]] = {
    State.CREATED: (Step.STOPPED, True),
    State.STOPPED: (Step.STOPPED, True),
    State.STOPPING: (Step.STOPPED, None),
    State.CREATING: (Step.STOPPED, None),
    State.RUNNING: (Step.READY, True),
    State.IDLE: (Step.READY, True),
    State.STARTING: (Step.SCHEDULED, None),
    State.UPDATING: (Step.SCHEDULED, None),
}


@pytest.mark.parametrize(("state", "reached"), REACHED.items(), ids=REACHED.keys())
def test_each_state_has_a_condition(state, reached):
    assert condition_of(Observation(state, stage="so it is")) == Condition(reached[0], reached[1], "so it is")


@pytest.mark.parametrize("state", [State.STARTING, State.UPDATING])
def test_on_its_way_it_is_the_next_step_that_counts(state):
    seen = Observation(state, stage="loading", step=Step.STARTED)
    assert condition_of(seen) == Condition(Step.STARTED, None, "loading")


FAILURES = {
    Cause.UNSCHEDULABLE: Step.SCHEDULED,
    Cause.QUOTA_EXCEEDED: Step.SCHEDULED,
    Cause.IMAGE_PULL: Step.INITIALIZED,
    Cause.DIGEST_MISMATCH: Step.INITIALIZED,
    Cause.SCRIPT_ERROR: Step.STARTED,
    Cause.PACKAGE_MISSING: Step.STARTED,
    Cause.WRONG_ANSWER: Step.STARTED,
    Cause.PROBE_MISCONFIGURED: Step.READY,
}


@pytest.mark.parametrize(("cause", "step"), FAILURES.items(), ids=FAILURES.keys())
@pytest.mark.parametrize("state", [State.FAILED, State.RUNNING])
def test_a_failure_says_which_step_was_not_reached(cause, step, state):
    seen = Observation(state, verdict=Verdict(cause, "It went wrong."))
    assert condition_of(seen) == Condition(step, False, "It went wrong.")


def test_no_cause_keeps_one_from_stopping():
    assert Step.STOPPED not in {step_of(cause) for cause in Cause}
