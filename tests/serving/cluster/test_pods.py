"""What a pod's own status says of it, in; a stage and a verdict, out."""

import pytest

from moorage.serving.cluster.pods import PodFacts, is_running_unready, is_unschedulable, view_pod
from moorage.startup import EXIT_CODES, Cause, Stage, StartupFailure, StartupReport
from tests.serving.cluster import objects
from tests.serving.cluster.objects import CONTAINER, FETCH, IMAGE, NOT_BEGUN, POD, a_pod, an_event, running, terminated
from tests.serving.cluster.objects import a_pod_without_node as no_node
from tests.serving.cluster.objects import back_off as backing_off
from tests.serving.cluster.objects import waiting as waits


def fetch(state, **changes):
    return a_pod(fetch=objects.a_fetch(state, **changes), server=NOT_BEGUN)


def server(state, *, ready=False, **changes):
    return a_pod(server=objects.a_server(state, **changes), ready=ready)


def view(pod, *, now_s=5.0, **facts):
    return view_pod(pod, CONTAINER, objects.clock(now_s), PodFacts(**facts))


def told(pod, **facts):
    seen = view(pod, **facts)
    return seen.verdict and seen.verdict.cause, seen.stage


# pod -> stage, container whose log tells more
ON_THEIR_WAY = {
    "no container yet": (a_pod(fetch=None, server=None), "starting its containers", CONTAINER),
    "before the fetch": (fetch(waits("PodInitializing")), "starting its containers", CONTAINER),
    "fetching": (fetch(running()), "fetching and verifying files", FETCH),
    "fetching again": (fetch(running(), last=terminated(69), restarts=1), "fetching and verifying files", FETCH),
    "no memory to fetch before": (
        fetch(running(), last=terminated(137, "OOMKilled"), restarts=1),
        "fetching and verifying files",
        FETCH,
    ),
    "fetched": (a_pod(server=NOT_BEGUN), "starting its containers", CONTAINER),
    "loading": (a_pod(), "loading the predictor script and answering the smoke requests", CONTAINER),
    "killed before": (server(running(), last=terminated(137), restarts=1), "loading the predictor script", CONTAINER),
    "crashed before": (server(running(), last=terminated(139), restarts=1), "loading the predictor script", CONTAINER),
    "ready": (a_pod(ready=True), "ready", CONTAINER),
    "evicted": (objects.an_evicted_pod(), "evicted; another takes its place", CONTAINER),
}


@pytest.mark.parametrize(("pod", "stage", "container"), ON_THEIR_WAY.values(), ids=ON_THEIR_WAY.keys())
def test_a_pod_on_its_way_is_told_in_words(pod, stage, container):
    seen = view(pod)
    assert (seen.verdict, seen.container) == (None, container)
    assert seen.stage.startswith(stage)


def test_a_pod_is_told_by_name_revision_and_restarts():
    ready = objects.a_server(running(), last=terminated(143), restarts=4)
    seen = view(a_pod("iris-1", revision=7, server=ready, ready=True))
    assert (seen.name, seen.revision, seen.ready, seen.ending, seen.restarts) == ("iris-1", 7, True, False, 4)


def test_a_pod_that_names_no_revision_is_of_none():
    assert view(a_pod(revision=None)).revision is None


RESOLVED = f'failed to resolve reference "{IMAGE}"'
BACK_OFF = f'Back-off pulling image "{IMAGE}"'
# reason, how the registry's refusal was passed on, the refusal
NEVER_PULLED = {
    "not found": ("ErrImagePull", f"rpc error: code = NotFound desc = {RESOLVED}: {IMAGE}: ", "not found"),
    "not found, backing off": ("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: ", "not found"),
    "manifest unknown": ("ErrImagePull", "reading manifest: ", "manifest unknown"),
    "unauthorized": ("ErrImagePull", f"{RESOLVED}: unexpected status: ", "401 Unauthorized"),
    "denied": ("ErrImagePull", f"{RESOLVED}: ", "pull access denied, it may require authorization"),
    "forbidden": ("ErrImagePull", f"{RESOLVED}: unexpected status: ", "403 Forbidden"),
    "no such host": ("ErrImagePull", "dial tcp: lookup registry.example on 10.96.0.10:53: ", "no such host"),
    "invalid reference": ("ErrImagePull", "failed to pull: ", "invalid reference format"),
    "no credentials": ("ErrImagePull", 'Head "https://registry.example/v2/": ', "no basic auth credentials"),
    "invalid name": ("InvalidImageName", 'Failed to apply default image tag "A": ', "it must be lowercase"),
    "never pulled": ("ErrImageNeverPull", "", "Container image is not present with pull policy of Never"),
}


@pytest.mark.parametrize(("reason", "way", "refusal"), NEVER_PULLED.values(), ids=NEVER_PULLED.keys())
def test_an_image_that_cannot_be_pulled_is_told_at_once(reason, way, refusal):
    seen = view(fetch(waits(reason, way + refusal)), now_s=1)
    assert (seen.verdict.cause, seen.container) == (Cause.IMAGE_PULL, FETCH)
    assert seen.stage == f"pulling {IMAGE}: {refusal}"
    assert seen.verdict.summary == f"The image {IMAGE} cannot be pulled: {refusal}."
    assert "MOORAGE_IMAGES" in seen.verdict.mend
    assert seen.verdict.evidence == (f"pod {POD}, container {FETCH}: {reason}: {way}{refusal}",)


PULLED_LATER = {
    "time-out": ("ErrImagePull", f"{RESOLVED}: dial tcp 192.0.2.1:443: ", "i/o timeout"),
    "busy": ("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: ", "503 Service Unavailable"),
    "cause unknown": ("ImagePullBackOff", "", BACK_OFF),
    "unavailable": ("RegistryUnavailable", "", "image pull failed because the registry is unavailable"),
    "not inspected": ("ImageInspectError", "Failed to inspect image: rpc error: ", "code = Unavailable"),
    "no word": ("ErrImagePull", "", ""),
}


@pytest.mark.parametrize(("reason", "way", "said"), PULLED_LATER.values(), ids=PULLED_LATER.keys())
def test_a_registry_that_does_not_answer_is_waited_for_a_minute(reason, way, said):
    pod = fetch(waits(reason, way + said))
    assert view(pod, now_s=60).verdict is None
    assert view(pod, now_s=60).stage == f"pulling {IMAGE}: {said or reason}"
    assert view(pod, now_s=61).verdict.cause is Cause.IMAGE_PULL
    assert f"{said or reason}." in view(pod, now_s=61).verdict.summary


def test_the_minute_begins_when_the_pod_has_a_node():
    pulling = objects.a_fetch(waits("ErrImagePull", "dial tcp 192.0.2.1:443: i/o timeout"))
    assert view(a_pod(scheduled_s=300, fetch=pulling, server=NOT_BEGUN), now_s=305).verdict is None


NEVER_CREATED = {
    "Secret": ("CreateContainerConfigError", 'secret "moorage-store" not found'),
    "container": ("CreateContainerError", 'failed to create volume "files": no such file or directory'),
    "process": ("RunContainerError", 'error mounting "/var/lib/kubelet/pods/4f6e/volumes/files" to rootfs'),
}


@pytest.mark.parametrize(("reason", "message"), NEVER_CREATED.values(), ids=NEVER_CREATED.keys())
def test_a_container_that_cannot_be_created_says_what_is_missing(reason, message):
    pod = fetch(waits(reason, message))
    verdict = view(pod).verdict
    assert told(pod) == (Cause.PLACE_INCOMPLETE, f"{reason}: {message}")
    assert verdict.summary == f"Container {FETCH} cannot be created: {message}."
    assert "the templates in deployments/kubernetes" in verdict.mend
    assert verdict.evidence == (f"pod {POD}, container {FETCH}: {reason}: {message}",)


# exit code, last word -> cause, summary, mend
FETCH_ENDS = {
    "digest": (65, "DIGEST_MISMATCH: It holds another.", Cause.DIGEST_MISMATCH, "It holds another.", ""),
    "missing": (66, "FILES_MISSING: There is no version 3.", Cause.FILES_MISSING, "There is no version 3.", ""),
    "unavailable": (69, "STORE_UNAVAILABLE: It is off.", Cause.STORE_UNAVAILABLE, "It is off.", "AWS_ENDPOINT_URL"),
    "a fault of ours": (70, "INTERNAL: KeyError: 'files'", Cause.INTERNAL, "KeyError: 'files'", ""),
    "disk": (73, "DISK_FULL: No space left.", Cause.DISK_FULL, "No space left.", ""),
    "denied": (77, "STORE_DENIED: Not you.", Cause.STORE_DENIED, "Not you.", "MOORAGE_STORE_SECRET"),
    "the log's last line": (73, "INFO fetching\nDISK_FULL: No space.\n", Cause.DISK_FULL, "No space.", ""),
    "no such code": (1, None, Cause.INTERNAL, "The fetch of its files ended with code 1.", ""),
    "killed by hand": (137, None, Cause.KILLED, "The fetch of its files ended with code 137.", ""),
    "told to stop": (143, None, Cause.KILLED, "The fetch of its files ended with code 143.", ""),
    "node gone": (255, None, Cause.KILLED, "The fetch of its files ended with code 255.", ""),
}


@pytest.mark.parametrize("again", [False, True], ids=["just ended", "backing off"])
@pytest.mark.parametrize(("code", "message", "cause", "summary", "mend"), FETCH_ENDS.values(), ids=FETCH_ENDS.keys())
def test_a_fetch_that_ended_says_why(code, message, cause, summary, mend, again):
    ended = terminated(code, message=message)
    pod = fetch(backing_off(FETCH), last=ended, restarts=2) if again else fetch(ended, restarts=2)
    verdict = view(pod).verdict
    assert told(pod) == (cause, f"its files were not fetched: {cause}")
    assert verdict.summary == summary
    assert mend in verdict.mend
    assert bool(mend) == bool(verdict.mend)
    assert verdict.evidence == (f"pod {POD}, container {FETCH}: Error, exit code {code}, restarts 2",)


def test_every_code_that_a_fetch_ends_with_is_known():
    assert set(EXIT_CODES.values()) <= {code for code, *_ in FETCH_ENDS.values()}


@pytest.mark.parametrize("row", ["digest", "missing", "a fault of ours", "disk", "denied", "no such code"])
def test_a_fetch_that_cannot_pass_is_not_tried_again(row):
    code, message, cause, *_ = FETCH_ENDS[row]
    assert told(fetch(terminated(code, message=message))) == (cause, f"its files were not fetched: {cause}")


@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("row", ["unavailable", "killed by hand", "told to stop", "node gone"])
def test_a_fetch_is_tried_three_times_where_it_may_pass(row, restarts):
    code, message, _, summary, _ = FETCH_ENDS[row]
    pod = fetch(backing_off(FETCH), last=terminated(code, message=message), restarts=restarts)
    assert told(pod) == (None, f"fetching again: {summary}")


def test_a_fetch_may_run_out_of_memory():
    pod = fetch(terminated(137, "OOMKilled"))
    assert told(pod) == (Cause.OUT_OF_MEMORY, "fetching ran out of memory")
    assert view(pod).verdict.summary == "It took more memory than its limit while files were fetched, and was killed."


FAILURE = StartupFailure(Cause.SCRIPT_ERROR, "it raised.", "No error.", "Mend it.", "predictor.py", 7, ("frame", "end"))
FAILED = StartupReport(2, Stage.FAILED, FAILURE).to_json()
READY = StartupReport(2, Stage.READY).to_json()
ENDED = {
    "just ended": lambda ended: server(ended),
    "backing off": lambda ended: server(backing_off(), last=ended, restarts=1),
}
LIVES = ENDED | {"running again": lambda ended: server(running(), last=ended, restarts=1)}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_what_the_server_reported_is_the_verdict(life):
    seen = view(life(terminated(1, message=FAILED)))
    assert (seen.stage, seen.container) == ("failed", CONTAINER)
    assert str(seen.verdict) == "SCRIPT_ERROR at predictor.py:7: it raised. No error. Mend it."
    assert seen.verdict.evidence[:2] == ("frame", "end")
    assert seen.verdict.evidence[2].startswith(f"pod {POD}, container {CONTAINER}: Error, exit code 1, restarts ")


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_that_a_server_reports_is_told(cause):
    report = StartupReport(2, Stage.FAILED, StartupFailure(cause, "it failed."))
    assert told(server(terminated(1, message=report.to_json()))) == (cause, "failed")


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
def test_a_server_out_of_memory_is_told_whatever_it_reported(life):
    pod = life(terminated(137, "OOMKilled", READY))
    assert told(pod) == (Cause.OUT_OF_MEMORY, "out of memory")
    assert view(pod).verdict.summary.endswith("its limit while it loaded or answered, and was killed.")
    assert view(pod).verdict.mend == "Raise the limit, or load less."


@pytest.mark.parametrize("ended", [terminated(1, message=FAILED), terminated(137, "OOMKilled")], ids=["failed", "OOM"])
def test_a_failed_life_is_forgotten_once_the_next_is_ready(ended):
    assert told(server(running(), last=ended, restarts=1, ready=True)) == (None, "ready")


# exit code, last words -> last line of the evidence
CRASHES = {
    "after its last report": (1, READY, f"pod {POD}, container {CONTAINER}: Error, exit code 1"),
    "in C code": (139, "Fatal Python error: Segmentation fault\n\nThread 0x7f:\n", "Thread 0x7f:"),
    "without a word": (2, None, f"pod {POD}, container {CONTAINER}: Error, exit code 2"),
    "half a report": (1, FAILED[:40], FAILED[:40]),
}


@pytest.mark.parametrize("life", ENDED.values(), ids=ENDED.keys())
@pytest.mark.parametrize(("code", "message", "last"), CRASHES.values(), ids=CRASHES.keys())
def test_a_server_that_ended_without_a_report_crashed(code, message, last, life):
    pod = life(terminated(code, message=message))
    assert told(pod) == (Cause.CRASHED, f"ended with code {code}")
    assert f"ended with code {code} and said nothing of why" in view(pod).verdict.summary
    assert view(pod).verdict.mend.startswith("Read its last lines")
    assert view(pod).verdict.evidence[-1].startswith(last)


@pytest.mark.parametrize("code", [137, 143, 255])
def test_a_server_that_is_killed_from_outside_is_given_up_the_third_time(code):
    ended = terminated(code, message=READY)
    first, second, third = (told(server(backing_off(), last=ended, restarts=restarts)) for restarts in (0, 1, 2))
    assert first == second == (None, f"starting again after it ended with code {code}")
    assert third == (Cause.KILLED, f"ended with code {code}")


def beside_proxy(pod, state):
    pod["status"]["containerStatuses"].append(objects.a_container("proxy", state))
    return pod


def test_a_container_of_somebody_elses_is_named():
    seen = view(beside_proxy(a_pod(), waits("ErrImagePull", "not found")))
    assert (seen.verdict.cause, seen.container) == (Cause.IMAGE_PULL, "proxy")


def test_a_probe_that_asks_in_the_wrong_place_is_told_with_what_it_met():
    events = (an_event("Pulled"), an_event("Unhealthy", "first"), an_event("Unhealthy", "Startup probe failed: 404"))
    seen = view(a_pod(), says_ready=True, events=events)
    assert (seen.verdict.cause, seen.stage) == (Cause.PROBE_MISCONFIGURED, "its probe fails")
    assert "the probe does not reach it" in seen.verdict.summary
    assert "Deploying again puts it right." in seen.verdict.mend
    assert seen.verdict.evidence == (f"pod {POD}: its log says READY", "Startup probe failed: 404")


UNREADY = {
    "running": (a_pod(), True),
    "ready": (a_pod(ready=True), False),
    "another container runs": (beside_proxy(a_pod(server=NOT_BEGUN), running()), False),
    "ended": (server(terminated(1)), False),
    "no container yet": (a_pod(fetch=None, server=None), False),
}


@pytest.mark.parametrize(("pod", "expected"), UNREADY.values(), ids=UNREADY.keys())
def test_the_log_is_asked_of_a_server_that_runs_and_is_not_ready(pod, expected):
    assert is_running_unready(pod, CONTAINER) is expected


STUCK = {"no word": ((), "its node does not say that it ended"), "held": (("a/b", "c"), "finalizers hold it: a/b, c")}


@pytest.mark.parametrize(("finalizers", "why"), STUCK.values(), ids=STUCK.keys())
def test_a_pod_that_does_not_end_is_told_after_a_minute(finalizers, why):
    pod = a_pod(ready=True, should_end_s=100, finalizers=finalizers)
    patient, stuck = view(pod, now_s=159), view(pod, now_s=160)
    assert (patient.ready, patient.ending, patient.verdict) == (False, True, None)
    assert patient.stage == "finishing the requests in flight"
    assert (stuck.verdict.cause, stuck.stage) == (Cause.STUCK_TERMINATING, f"stuck: {why}")
    assert stuck.verdict.summary == f"Pod {POD} should have been gone 60 s ago; {why}."
    assert stuck.verdict.evidence == (f"pod {POD}: deletionTimestamp 2026-11-25T16:01:40Z",)


def test_a_lost_nodes_pod_is_deleted_by_force():
    assert f"kubectl delete pod {POD} --force" in view(a_pod(should_end_s=0), now_s=60).verdict.mend


def test_a_pod_that_finalizers_hold_is_not_deleted_by_force():
    assert "--force" not in view(a_pod(should_end_s=0, finalizers=("c",)), now_s=60).verdict.mend


GPU = "Insufficient nvidia.com/gpu"
NOBODY = "preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod."
# why each node does not take it, what else the scheduler says -> mend
NO_ROOM = {
    "a resource": (f"2 {GPU}", "", "Request less nvidia.com/gpu, stop another deployment"),
    "no pod to preempt": (f"2 {GPU}", f" {NOBODY}", "Request less nvidia.com/gpu, stop another deployment"),
    "no claim either": (f"2 {GPU}", f" no new claims to deallocate, {NOBODY}", "Request less nvidia.com/gpu, stop"),
    "two resources": ("1 Insufficient memory, 2 Insufficient cpu", f" {NOBODY}", "Request less cpu and memory, stop"),
    "taint": ("2 node(s) had untolerated taint(s)", f" {NOBODY}", "Add the taint to placement.tolerations"),
    "labels": ("2 node(s) didn't match Pod's node affinity/selector", "", "Label a node as placement.node_selector"),
    "cordoned": ("2 node(s) were unschedulable", "", "Uncordon a node (kubectl uncordon), or add one."),
    "anything else": ("2 Too many pods", "", "See `kubectl describe nodes`."),
}


def unscheduled(why=f"2 {GPU}", more="", **changes):
    return no_node("Unschedulable", f"0/2 nodes are available: {why}.{more}", **changes)


def gated(**labels):
    # the API server writes this condition itself, and gives it no time
    said = "Scheduling is blocked due to non-empty scheduling gates"
    return no_node("SchedulingGated", said, since_s=None, labels=labels)


@pytest.mark.parametrize(("why", "more", "mend"), NO_ROOM.values(), ids=NO_ROOM.keys())
def test_a_pod_that_fits_nowhere_says_what_would_make_room(why, more, mend):
    seen = view(unscheduled(why, more))
    assert seen.verdict.cause is Cause.UNSCHEDULABLE
    assert seen.verdict.summary == f"No node takes the pod: 0/2 nodes are available: {why}."
    assert seen.verdict.mend.startswith(mend)
    assert seen.stage.startswith(f"waiting for a node: 0/2 nodes are available: {why}")
    assert seen.verdict.evidence[0].startswith(f"pod {POD}: PodScheduled is False, Unschedulable: 0/2 nodes")
    assert more.rstrip(".") in seen.verdict.evidence[0]


# when the scheduler said so first, now -> cause
GRACE = {"at first": (10, 12, None), "later": (10, 13, Cause.UNSCHEDULABLE), "by the pod's age": (None, 2, None)}


@pytest.mark.parametrize(("since_s", "now_s", "cause"), GRACE.values(), ids=GRACE.keys())
def test_a_pod_that_fits_nowhere_has_a_moment_of_grace(since_s, now_s, cause):
    assert told(unscheduled(since_s=since_s), now_s=now_s) == (
        cause,
        f"waiting for a node: 0/2 nodes are available: 2 {GPU}",
    )


ROOM_COMES = {
    "the old instance ends": ({"room_is_coming": True}, "waiting for the old instance to end"),
    "cluster-autoscaler": ({"events": (an_event("TriggeredScaleUp"),)}, "waiting for a node that the autoscaler adds"),
    "Karpenter": ({"events": (an_event("Nominated"),)}, "waiting for a node that the autoscaler adds"),
}


@pytest.mark.parametrize(("facts", "stage"), ROOM_COMES.values(), ids=ROOM_COMES.keys())
def test_a_pod_waits_for_room_that_is_coming(facts, stage):
    seen = view(unscheduled(), now_s=500, **facts)
    assert (seen.verdict, seen.stage[: len(stage)]) == (None, stage)


def test_an_autoscaler_that_adds_no_node_is_not_waited_for():
    events = (an_event("FailedScheduling", GPU), an_event("NotTriggerScaleUp"))
    assert view(unscheduled(), events=events).verdict.cause is Cause.UNSCHEDULABLE


GATES = {
    "Kueue": (gated(**{"kueue.x-k8s.io/queue-name": "gpus"}), "held by Kueue in queue 'gpus' until there is quota"),
    "another's": (gated(), "held by a scheduling gate"),
}


@pytest.mark.parametrize(("pod", "stage"), GATES.values(), ids=GATES.keys())
def test_a_pod_that_is_held_waits_as_long_as_it_takes(pod, stage):
    assert told(pod, now_s=5000) == (None, stage)


def test_events_are_asked_for_where_the_scheduler_looked_in_vain():
    assert [is_unschedulable(pod) for pod in (unscheduled(), gated(), a_pod())] == [True, False, False]


def test_a_server_that_ends_well_without_being_told_has_crashed_too():
    assert view(server(terminated(0))).verdict.cause is Cause.CRASHED


def test_an_image_without_python_is_told_as_such():
    started = terminated(128, reason="StartError", message='exec: "python": executable file not found in $PATH')
    pulled = waits("RunContainerError", 'exec: "python": executable file not found in $PATH')
    for pod in (server(started), fetch(pulled)):
        assert view(pod).verdict.cause is Cause.ENVIRONMENT_BROKEN
        assert "has no python" in view(pod).verdict.summary


def test_what_the_kubelet_tries_again_by_itself_is_no_verdict():
    said = "failed to sync secret cache: timed out waiting for the condition"
    assert view(fetch(waits("CreateContainerConfigError", said))).verdict is None


def test_what_was_told_to_end_is_waited_for_until_it_is_gone():
    pod = a_pod(should_end_s=30)
    pod["status"]["phase"] = "Succeeded"
    assert not view(pod).over
    assert view(objects.an_evicted_pod()).over
