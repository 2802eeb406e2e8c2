"""How far pods have come, by their own status."""

import pytest

from moorage.serving.cluster.steps import next_step
from moorage.serving.conditions import Step
from tests.serving.cluster.objects import CONTAINER, NOT_BEGUN, a_fetch, a_pod, a_pod_without_node, running

WAITS = a_pod_without_node("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")
HELD = a_pod_without_node("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
FETCHES = a_pod(fetch=a_fetch(running()), server=NOT_BEGUN)
LOADS, READY = a_pod(), a_pod(ready=True)
STEPS = {
    "no pod yet": ([], Step.SCHEDULED),
    "no node": ([WAITS], Step.SCHEDULED),
    "held by a queue": ([HELD], Step.SCHEDULED),
    "fetching": ([FETCHES], Step.INITIALIZED),
    "loading": ([LOADS], Step.STARTED),
    "ready": ([READY], Step.READY),
    "one behind": ([READY, FETCHES, LOADS], Step.INITIALIZED),
    "just born": ([{"metadata": {}}], Step.SCHEDULED),
}


@pytest.mark.parametrize(("pods", "step"), STEPS.values(), ids=STEPS.keys())
def test_the_one_that_is_furthest_behind_tells_the_next_step(pods, step):
    assert next_step(pods, CONTAINER) is step
