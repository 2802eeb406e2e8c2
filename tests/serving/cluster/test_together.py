"""Two components in, one deployment out."""

from dataclasses import replace

import pytest

from moorage.deployment import State
from moorage.serving.base import Observation
from moorage.serving.cluster.together import together
from moorage.serving.conditions import Step
from moorage.serving.verdict import Verdict
from moorage.startup import Cause

OLD = Observation(State.RUNNING, 1, 1, "answering", endpoint="http://old", processes=("p",))
RUNS = Observation(State.RUNNING, 2, 2, "answering", endpoint="http://t", processes=("t",))
IDLE = replace(RUNS, state=State.IDLE, stage="idle")
LOADS = Observation(State.STARTING, 2, None, "loading", step=Step.STARTED)
REPLACES = Observation(State.UPDATING, 2, 1, "fetching", step=Step.INITIALIZED)
FAILS = Observation(State.FAILED, 2, None, "failed", Verdict(Cause.SCRIPT_ERROR, "it raised"))
FALLS_BACK = replace(FAILS, state=State.RUNNING, serving=1)
STOPPED, STOPPING = Observation(State.STOPPED, 2), Observation(State.STOPPING, 2)
# predictor, transformer: state, serving, stage
TABLE = {
    "both run": (RUNS, RUNS, State.RUNNING, 2, "answering"),
    "one is idle": (IDLE, RUNS, State.IDLE, 2, "idle"),
    "the predictor loads": (LOADS, RUNS, State.STARTING, None, "predictor: loading"),
    "the transformer loads": (RUNS, LOADS, State.STARTING, None, "transformer: loading"),
    "the predictor is replaced": (REPLACES, RUNS, State.UPDATING, 1, "predictor: fetching"),
    "the transformer is replaced": (RUNS, REPLACES, State.UPDATING, 1, "transformer: fetching"),
    "the predictor fails": (FAILS, RUNS, State.FAILED, None, "failed"),
    "the transformer fails": (RUNS, FAILS, State.FAILED, None, "failed"),
    "the old ones stay": (FALLS_BACK, OLD, State.RUNNING, 1, "failed"),
    "stopped": (STOPPED, STOPPED, State.STOPPED, None, ""),
    "one still stops": (STOPPED, STOPPING, State.STOPPING, None, ""),
}


@pytest.mark.parametrize(("predictor", "transformer", "state", "serving", "stage"), TABLE.values(), ids=TABLE.keys())
def test_a_deployment_is_as_both_of_its_components_are(predictor, transformer, state, serving, stage):
    seen = together(predictor, transformer)
    assert (seen.state, seen.serving, seen.stage) == (state, serving, stage)


def test_users_reach_the_transformer():
    seen = together(replace(RUNS, endpoint="http://p", processes=("p",)), RUNS)
    assert (seen.endpoint, seen.processes) == ("http://t", ("t",))


@pytest.mark.parametrize(("predictor", "transformer"), [(FAILS, RUNS), (RUNS, FAILS)])
def test_the_verdict_of_either_is_that_of_both(predictor, transformer):
    assert together(predictor, transformer).verdict == FAILS.verdict


def test_the_step_is_that_of_the_one_that_is_behind():
    assert together(RUNS, LOADS).step is Step.STARTED
    assert together(RUNS, RUNS).step is None
