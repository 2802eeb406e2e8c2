"""What was read of a deployment's objects, in; how it stands, out."""

from dataclasses import replace

import pytest

from moorage.deployment import State
from moorage.serving.cluster.pods import PodFacts
from moorage.serving.cluster.shape import Route
from moorage.serving.cluster.status import Sight, observe, view_pods
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from tests.serving.cluster.objects import (
    CONTAINER,
    NOT_BEGUN,
    a_deployment,
    a_fetch,
    a_pod,
    a_pod_without_node,
    a_server,
    an_evicted_pod,
    clock,
    replica_failure,
    running,
    terminated,
)


def refusing(said, status="True", **changes):
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 0)
    return a_deployment(conditions=[replica_failure(said, status)], **counts, **changes)


OLD = a_pod("iris-old", revision=1, created_s=-60, ready=True)
OLD_CRASHED = a_pod("iris-old", revision=1, created_s=-60, server=a_server(terminated(2)))
OLD_ENDS = a_pod("iris-old", revision=1, created_s=-60, ready=True, should_end_s=45)
NEW = a_pod("iris-new", ready=True)
NEW_FETCHES = a_pod("iris-new", fetch=a_fetch(running()), server=NOT_BEGUN)
NEW_LOADS = a_pod("iris-new")
NEW_CRASHED = a_pod("iris-new", server=a_server(terminated(2)))
NEW_ENDS = a_pod("iris-new", server=a_server(terminated(2)), should_end_s=45)
NEW_STUCK = a_pod("iris-new", should_end_s=-90)
NEXT = a_pod("iris-next", created_s=5, ready=True)
NEXT_LOADS = a_pod("iris-next", created_s=5)
NEXT_OOM = a_pod("iris-next", created_s=5, server=a_server(terminated(137, "OOMKilled")))
NO_ROOM = a_pod_without_node("Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.", name="iris-new")
ANYBODYS = a_pod("anybodys", revision=None, ready=True)
EVICTED = an_evicted_pod("iris-evicted")

REFUSAL = Verdict(Cause.OBJECT_REFUSED, "KServe takes its InferenceService for invalid.")
BOTH = a_deployment(wanted=2)
ONE = a_deployment(wanted=2, readyReplicas=1, availableReplicas=1)
NONE_MADE = refusing('pods "iris-x" is forbidden: exceeded quota: team')

RUNS = Sight(
    applied=2,
    running=True,
    container=CONTAINER,
    workload=a_deployment(),
    least=1,
    pods=(NEW,),
    now=clock(10),
    endpoint="http://iris.moorage.svc.cluster.local",
)
STARTS = replace(RUNS, workload=a_deployment(readyReplicas=0, availableReplicas=0), pods=(NEW_LOADS,))
# a new pod beside the old one, which is ready
UPDATES = replace(RUNS, workload=a_deployment(replicas=2), pods=(OLD, NEW_LOADS))
STOPPED = replace(RUNS, running=False, workload=a_deployment(wanted=0), least=0, pods=(), endpoint=None)
GONE = replace(STOPPED, applied=None, workload=None)
IDLE = replace(RUNS, workload=None, least=0, pods=(), route=Route(settled=True, serving=2))


TRIAL = replace(RUNS, workload=None, route=Route(settled=False, serving=1, canary=True))


def having(sight, *pods, **changes):
    return replace(sight, pods=pods, **changes)


Row = tuple[Sight, State, int | None, str, Cause | None]

# sight -> state, serving, stage, cause
TABLE: dict[str, Row] = {
    "never started": (GONE, State.CREATED, None, "never started", None),
    "deleted, a pod ends": (having(GONE, NEW_ENDS), State.STOPPING, None, "finishing the requests in flight", None),
    "no Deployment yet": (having(STARTS, workload=None), State.STARTING, None, "waiting for the cluster to make", None),
    "no pod yet": (having(STARTS), State.STARTING, None, "waiting for the cluster to make its pods", None),
    "fetching": (having(STARTS, NEW_FETCHES), State.STARTING, None, "fetching and verifying files", None),
    "loading": (STARTS, State.STARTING, None, "loading the predictor script", None),
    "evicted, the next loads": (having(STARTS, EVICTED, NEXT_LOADS), State.STARTING, None, "loading", None),
    "answering": (RUNS, State.RUNNING, 2, "answering", None),
    "answering, the old one ends": (having(RUNS, OLD_ENDS, NEW), State.RUNNING, 2, "answering", None),
    "answering, one was evicted": (having(RUNS, EVICTED, NEW), State.RUNNING, 2, "answering", None),
    "more than the least": (having(RUNS, NEW, NEXT, workload=BOTH), State.RUNNING, 2, "answering", None),
    "scaled to zero": (IDLE, State.IDLE, 2, "", None),
    "updating": (UPDATES, State.UPDATING, 1, "loading the predictor script", None),
    "updating, no new pod yet": (having(UPDATES, OLD), State.UPDATING, 1, "waiting for the cluster to make", None),
    "the old one still answers": (having(RUNS, OLD, NEW), State.UPDATING, 1, "taking over from the old", None),
    "nobody's pod answers too": (having(RUNS, ANYBODYS, NEW), State.UPDATING, 2, "taking over", None),
    "an old one crashed": (having(STARTS, OLD_CRASHED, NEW_LOADS), State.STARTING, None, "loading", None),
    "one that crashed ends": (having(STARTS, NEW_ENDS, NEXT_LOADS), State.STARTING, None, "loading", None),
    "stopping": (having(STOPPED, NEW_ENDS), State.STOPPING, None, "finishing the requests in flight", None),
    "deleted, but held": (replace(STOPPED, held="a/b"), State.STOPPING, None, "deleted, but still there: a/b", None),
    "stopped": (STOPPED, State.STOPPED, None, "stopped", None),
    "crashed": (having(STARTS, NEW_CRASHED), State.FAILED, None, "failed", Cause.CRASHED),
    "crashed, the old one answers": (having(UPDATES, OLD, NEW_CRASHED), State.RUNNING, 1, "failed", Cause.CRASHED),
    "one of two crashed": (having(RUNS, NEW, NEXT_OOM, workload=ONE), State.RUNNING, 2, "failed", Cause.OUT_OF_MEMORY),
    "both crashed": (having(STARTS, NEW_CRASHED, NEXT_OOM), State.FAILED, None, "failed", Cause.OUT_OF_MEMORY),
    "no room": (having(STARTS, NO_ROOM), State.FAILED, None, "failed", Cause.UNSCHEDULABLE),
    "refused": (replace(STARTS, refused=REFUSAL), State.FAILED, None, "failed", Cause.OBJECT_REFUSED),
    "refused, the old one answers": (replace(UPDATES, refused=REFUSAL), State.RUNNING, 1, "failed", REFUSAL.cause),
    "refused, all is there": (replace(RUNS, refused=REFUSAL), State.RUNNING, 2, "failed", REFUSAL.cause),
    "refused, and crashed": (having(STARTS, NEW_CRASHED, refused=REFUSAL), State.FAILED, None, "failed", REFUSAL.cause),
    "no pod made": (having(STARTS, workload=NONE_MADE), State.FAILED, None, "failed", Cause.QUOTA_EXCEEDED),
    "no new pod made": (having(UPDATES, OLD, workload=NONE_MADE), State.RUNNING, 1, "failed", Cause.QUOTA_EXCEEDED),
    "no more made, and crashed": (
        having(STARTS, NEW_CRASHED, workload=NONE_MADE),
        State.FAILED,
        None,
        "failed",
        Cause.CRASHED,
    ),
    "on trial": (having(TRIAL, OLD, NEW), State.UPDATING, 1, "answering its share of the requests", None),
    "on trial, no instance": (having(TRIAL, OLD), State.UPDATING, 1, "answering its share of the requests", None),
    "on trial, crashed": (having(TRIAL, OLD, NEW_CRASHED), State.RUNNING, 1, "failed", Cause.CRASHED),
    "stopping, one is stuck": (having(STOPPED, NEW_STUCK), State.STOPPING, None, "stuck: ", Cause.STUCK_TERMINATING),
    "deleted, one is stuck": (having(GONE, NEW_STUCK), State.STOPPING, None, "", Cause.STUCK_TERMINATING),
}


@pytest.mark.parametrize(("sight", "state", "serving", "stage", "cause"), TABLE.values(), ids=TABLE.keys())
def test_a_deployment_stands_as_its_objects_say(sight, state, serving, stage, cause):
    seen = observe(sight)
    assert (seen.state, seen.serving, seen.verdict and seen.verdict.cause) == (state, serving, cause)
    assert seen.stage.startswith(stage)


@pytest.mark.parametrize("sight", [sight for sight, *_ in TABLE.values()], ids=TABLE.keys())
def test_what_was_applied_is_told_whatever_serves(sight):
    assert observe(sight).applied == sight.applied


TRIALS = {
    "on trial": (having(TRIAL, OLD, NEW), (True, False)),
    "crashed": (having(TRIAL, OLD, NEW_CRASHED), (False, False)),
    "no share": (replace(TRIAL, route=Route(settled=False, serving=1)), (False, False)),
    "it alone": (replace(TRIAL, route=Route(settled=True, serving=2)), (False, True)),
    "both are it": (replace(TRIAL, route=Route(settled=True, serving=2, canary=True)), (True, True)),
}


@pytest.mark.parametrize(("sight", "expected"), TRIALS.values(), ids=TRIALS.keys())
def test_a_share_is_told_from_all_requests(sight, expected):
    seen = observe(sight)
    assert (seen.shares(2), seen.serves(2)) == expected
    assert (seen.shares(1), seen.serves(1)) == (False, False)


def test_what_was_evicted_does_not_keep_a_deployment_from_being_stopped():
    assert observe(having(STOPPED, EVICTED)).state is State.STOPPED


NOT_COMPLETE = {
    "not seen by its controller yet": a_deployment(generation=3, observed=2),
    "never seen by its controller": a_deployment() | {"status": {}},
    "not the template of this revision": a_deployment(revision=1),
    "a template of no revision": a_deployment(revision=None),
    "an old pod is there": a_deployment(replicas=2),
    "a pod is missing": a_deployment(wanted=2, replicas=1),
    "a pod is not updated": a_deployment(updatedReplicas=0),
    "a pod is not ready": a_deployment(readyReplicas=0),
    "a pod is not available": a_deployment(availableReplicas=0),
    "fewer are wanted than the least": a_deployment(wanted=0),
    "no Deployment": None,
}


@pytest.mark.parametrize("workload", NOT_COMPLETE.values(), ids=NOT_COMPLETE.keys())
def test_a_ready_pod_alone_does_not_make_it_complete(workload):
    complete, seen = observe(RUNS), observe(replace(RUNS, workload=workload))
    assert (complete.serves(2), seen.serves(2)) == (True, False)
    assert (seen.state, seen.serving, seen.verdict) == (State.UPDATING, 2, None)


def test_one_instance_is_not_complete_where_two_are_the_least():
    assert [observe(replace(RUNS, least=least)).serves(2) for least in (0, 1, 2)] == [True, True, False]


# pods of the new revision, how many are wanted -> stage
STAGES = {
    "one of one": ((NEW_FETCHES,), 1, "fetching and verifying files"),
    "one of three": ((NEW, NEXT_LOADS, NEW_FETCHES), 3, "answering the smoke requests (1 of 3 ready)"),
    "none of two": ((NEW_FETCHES,), 2, "fetching and verifying files (0 of 2 ready)"),
    "the newest that is not ready": ((NEXT, NEW_FETCHES), 2, "fetching and verifying files (1 of 2 ready)"),
    "old ones do not count": ((OLD, NEW_FETCHES), 2, "fetching and verifying files (0 of 2 ready)"),
    "nor does one that ends": ((NEW_ENDS, NEXT_LOADS, NEW), 3, "(1 of 3 ready)"),
    "one that ends is none": ((NEW_ENDS,), 2, "waiting for the cluster to make its pods"),
    "all of them": ((OLD, NEW, NEXT), 2, "taking over from the old instances"),
    "none": ((OLD,), 2, "waiting for the cluster to make its pods"),
}


@pytest.mark.parametrize(("pods", "wanted", "stage"), STAGES.values(), ids=STAGES.keys())
def test_the_stage_tells_how_many_are_ready(pods, wanted, stage):
    assert observe(having(UPDATES, *pods, workload=a_deployment(wanted=wanted, replicas=9))).stage.endswith(stage)


# what the Deployment says -> cause, mend
REFUSALS = {
    "quota": (
        "exceeded quota: team, requested: limits.memory=2Gi, used: limits.memory=7Gi, limited: limits.memory=8Gi",
        Cause.QUOTA_EXCEEDED,
        "Raise the quota of the namespace",
    ),
    "quota that asks for limits": (
        "failed quota: team: must specify limits.cpu for: predictor",
        Cause.QUOTA_EXCEEDED,
        "set resources.limits",
    ),
    "LimitRange": (
        "[maximum memory usage per Container is 1Gi, but limit is 2Gi]",
        Cause.QUOTA_EXCEEDED,
        "A LimitRange bounds",
    ),
    "service account": (
        'error looking up service account moorage/pods: serviceaccount "pods" not found',
        Cause.PLACE_INCOMPLETE,
        "deployments/kubernetes has a template",
    ),
    "webhook that does not answer": (
        'Internal error occurred: failed calling webhook "mpod.kb.io": failed to call webhook: connection refused',
        Cause.WEBHOOK_DENIED,
        "See whether the controller runs",
    ),
    "namespace": (
        "unable to create new content in namespace moorage because it is being terminated",
        Cause.NAMESPACE_TERMINATING,
        "make it anew",
    ),
    "policy": (
        'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false',
        Cause.POD_REFUSED,
        "Change what the cluster's policy refuses.",
    ),
}


@pytest.mark.parametrize(("said", "cause", "mend"), REFUSALS.values(), ids=REFUSALS.keys())
def test_why_no_pod_may_be_made_is_told(said, cause, mend):
    seen = observe(having(STARTS, workload=refusing(f'pods "iris-7d4b9c6f5-x2x9k" is forbidden: {said}.')))
    assert seen.verdict is not None
    assert (seen.state, seen.verdict.cause) == (State.FAILED, cause)
    assert seen.verdict.summary.startswith('The cluster does not let its pods be created: pods "iris-7d4b9c6f5-x2x9k"')
    assert seen.verdict.summary.endswith(f"{said}.")
    assert mend in seen.verdict.mend


PAST = {
    "mended": refusing("exceeded quota: team", status="False"),
    "of the revision before": refusing("exceeded quota: team", generation=3, observed=2),
}


@pytest.mark.parametrize("workload", PAST.values(), ids=PAST.keys())
def test_a_refusal_that_is_past_is_none(workload):
    seen = observe(having(STARTS, workload=workload))
    assert (seen.state, seen.verdict) == (State.STARTING, None)


def test_what_else_was_looked_up_belongs_to_one_pod():
    sight = having(STARTS, NO_ROOM, facts={"iris-new": PodFacts(room_is_coming=True)})
    assert observe(sight).stage == "waiting for the old instance to end"
    assert observe(replace(sight, facts={"iris-old": PodFacts(room_is_coming=True)})).state is State.FAILED


def test_pods_are_viewed_newest_first():
    assert [view.name for view in view_pods(having(RUNS, NEW, OLD, NEXT))] == ["iris-next", "iris-new", "iris-old"]


def test_the_pods_that_answer_and_their_restarts_are_told():
    again = a_server(running(), last=terminated(143), restarts=3)
    pods = (OLD, a_pod("iris-a", ready=True), a_pod("iris-b", ready=True, server=again), NEW_LOADS)
    both, new = observe(having(UPDATES, *pods)), observe(having(UPDATES, *pods[1:]))
    assert (both.serving, both.processes, both.restarts) == (1, ("iris-old",), 0)
    assert (new.serving, set(new.processes), new.restarts) == (2, {"iris-a", "iris-b"}, 3)
    assert observe(having(STARTS)).restarts == 0


def test_the_endpoint_is_the_sights_own():
    assert observe(RUNS).endpoint == observe(UPDATES).endpoint == "http://iris.moorage.svc.cluster.local"
    assert observe(STOPPED).endpoint is None
