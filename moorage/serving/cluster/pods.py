"""From one pod to what it is doing, or why it never will (pure).

The rules are those of Kubernetes' own documents, and what was seen on real clusters:
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from moorage.serving.cluster.marks import QUEUE, Manifest, number_in
from moorage.serving.cluster.podspec import FETCH_CONTAINER
from moorage.serving.verdict import Verdict
from moorage.startup import EXIT_CODES, Cause, StartupReport

# A pod that fits nowhere is given up after this; an autoscaler that adds a node tells by an event, and may need longer.
SCHEDULING_PATIENCE_S: Final = 3.0
# What a registry may take to answer again; what it refuses outright is not waited for.
_PULL_PATIENCE_S: Final = 60
# How often a fetch is tried when the store does not answer, and a server that was killed from outside.
_TRIES: Final = 3
_STUCK_S: Final = 60
_NEVER_PULLED: Final = re.compile(
    r"not found|manifest unknown|unauthorized|denied|forbidden|no such host|invalid reference|no basic auth",
    re.IGNORECASE,
)
_NEVER_CREATED: Final = frozenset(
    {"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
_PULLING: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"})
_NAMED: Final = re.compile(rf"^({'|'.join(Cause)}): ", re.MULTILINE)
_NO_PROGRAM: Final = "executable file not found"
# What the kubelet tries again by itself.
_LATER: Final = re.compile(r"timed out|failed to sync")
_ADDS_A_NODE: Final = frozenset({"TriggeredScaleUp", "Nominated"})
_FETCH_CAUSES: Final = {code: cause for cause, code in EXIT_CODES.items() if cause is not Cause.INTERNAL and code != 70}
# Ends from outside: the node shuts down, or somebody deletes the process. The same pod may well serve a moment later.
_KILLED_CODES: Final = frozenset({137, 143, 255})


@dataclass(frozen=True)
class PodView:
    """What one pod is doing.

    Attributes:
        revision: the number it carries; None for a pod that carries none.
        stage: in words for people.
        verdict: why it never will serve; None while it may.
        container: the one whose log tells more.
        restarts: of the serving container.
        held: Kueue holds it until there is quota.
        over: it runs no more and never will, evicted, say, and lies there until somebody deletes it.
    """

    name: str
    revision: int | None
    ready: bool
    ending: bool
    stage: str
    verdict: Verdict | None
    container: str
    restarts: int
    over: bool = False
    held: bool = False


@dataclass(frozen=True)
class PodFacts:
    """What is known of a pod beside itself.

    Attributes:
        events: of just this pod; only looked for where they decide something.
        says_ready: its log says that it answered its smoke requests and listens.
        room_is_coming: pods that are still ending hold what it waits for.
        patience_s: how long it may wait for a node; more where an autoscaler adds them.
    """

    events: Sequence[Manifest] = ()
    says_ready: bool = False
    room_is_coming: bool = False
    patience_s: float = SCHEDULING_PATIENCE_S


def view_pod(pod: Manifest, container: str, now: float, facts: PodFacts) -> PodView:
    """What the pod is doing, by its own status.

    Args:
        container: the name of the serving container.
        now: seconds since 1970, by the clock that the cluster's times are compared with.
    """
    metadata, status = pod["metadata"], pod.get("status") or {}
    ending = bool(metadata.get("deletionTimestamp"))
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    server: Manifest = next((each for each in statuses if each["name"] == container), {})
    ready = conditions.get("Ready", {}).get("status") == "True" and not ending
    stage, verdict, at = "ready", None, container
    if ending:
        stage, verdict = _ending(pod, now)
    elif not ready:
        stage, verdict, at = _starting(pod, conditions, statuses, container, now, facts)
    return PodView(
        name=metadata["name"],
        revision=number_in(metadata),
        ready=ready,
        ending=ending,
        stage=stage,
        verdict=verdict,
        container=at,
        restarts=int(server.get("restartCount", 0)),
        over=status.get("phase") in ("Failed", "Succeeded") and not ending,
        held=conditions.get("PodScheduled", {}).get("reason") == "SchedulingGated",
    )


def is_unschedulable(pod: Manifest) -> bool:
    """Whether the scheduler looked for a node in vain."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "PodScheduled" and each.get("reason") == "Unschedulable" for each in conditions)


def is_running_unready(pod: Manifest, container: str) -> bool:
    """Whether the server's process runs and the pod is not ready: it loads, or its probe asks in the wrong place."""
    status = pod.get("status") or {}
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
    runs = any(
        each["name"] == container and "running" in (each.get("state") or {})
        for each in status.get("containerStatuses") or ()
    )
    return runs and not ready


def _seconds_of_its_node(pod: Manifest) -> float:
    """When it got its node, from which on images are pulled."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    times = [each.get("lastTransitionTime") for each in conditions if each["type"] == "PodScheduled"]
    return seconds(next(filter(None, times), None) or pod["metadata"]["creationTimestamp"])


def seconds(time: str) -> float:
    """A time of the API's, in seconds since 1970."""
    return datetime.fromisoformat(time).timestamp()


_Told = tuple[str, Verdict | None, str]


def _starting(
    pod: Manifest,
    conditions: dict[str, Manifest],
    statuses: Sequence[Manifest],
    container: str,
    now: float,
    facts: PodFacts,
) -> _Told:
    if pod.get("status", {}).get("phase") == "Failed":
        return (*_rejected(pod), container)
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return (*_unscheduled(pod, scheduled, now, facts), container)
    for status in statuses:
        name = status["name"]
        problem = _problem_of(pod, status, container, now)
        if problem is not None:
            return (*problem, name)
    running = {each["name"] for each in statuses if "running" in (each.get("state") or {})}
    if FETCH_CONTAINER in running:
        return "fetching and verifying files", None, FETCH_CONTAINER
    if container not in running:
        return "starting its containers", None, container
    if facts.says_ready:
        return "its probe fails", _probe_misconfigured(pod, facts), container
    return "loading the predictor script and answering the smoke requests", None, container


def _rejected(pod: Manifest) -> tuple[str, Verdict | None]:
    """The node ended it, or never took it; its owner makes another."""
    status = pod["status"]
    reason, said = status.get("reason", "Failed"), str(status.get("message") or "").rstrip(".")
    if reason == "Evicted":
        return "evicted; another takes its place", None
    return f"{reason}: {said}", Verdict(
        Cause.POD_REFUSED,
        f"The node did not take the pod: {said or reason}.",
        mend="See `kubectl describe nodes`.",
        evidence=(f"pod {pod['metadata']['name']}: {reason}: {said}",),
    )


def _unscheduled(pod: Manifest, scheduled: Manifest, now: float, facts: PodFacts) -> tuple[str, Verdict | None]:
    said = str(scheduled.get("message") or "").rstrip(".")
    queue = (pod["metadata"].get("labels") or {}).get(QUEUE)
    if scheduled.get("reason") == "SchedulingGated":
        held = f"held by Kueue in queue {queue!r} until there is quota" if queue else "held by a scheduling gate"
        return held, None
    stage = f"waiting for a node: {said}"
    if facts.room_is_coming:
        return "waiting for the old instance to end", None
    if any(event.get("reason") in _ADDS_A_NODE for event in facts.events):
        return f"waiting for a node that the autoscaler adds: {said}", None
    since = scheduled.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
    if scheduled.get("reason") != "Unschedulable" or now - seconds(since) < facts.patience_s:
        return stage, None
    return stage, Verdict(
        Cause.UNSCHEDULABLE,
        f"No node takes the pod: {said.partition('. ')[0]}.",
        "Each instance needs a node with room for what it requests.",
        _where_room_is(said),
        evidence=(f"pod {pod['metadata']['name']}: PodScheduled is False, Unschedulable: {said}",),
    )


def _where_room_is(said: str) -> str:
    short = re.findall(r"Insufficient ([\w./-]*\w)", said)
    if short:
        what = " and ".join(sorted(set(short)))
        return f"Request less {what}, stop another deployment that has it, or add a node."
    if "untolerated taint" in said:
        return "Add the taint to placement.tolerations, if it may run there."
    if "node affinity/selector" in said:
        return "Label a node as placement.node_selector asks, or ask for other labels."
    if "were unschedulable" in said:
        return "Uncordon a node (kubectl uncordon), or add one."
    return "See `kubectl describe nodes`."


def _problem_of(pod: Manifest, status: Manifest, container: str, now: float) -> tuple[str, Verdict | None] | None:
    """What is wrong with one container; None while it runs, waits its turn or ended well."""
    state, last = status.get("state") or {}, status.get("lastState") or {}
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in _PULLING or reason in _NEVER_CREATED:
        return _not_created(pod, status, reason, str(waiting.get("message") or ""), now)
    ended = state.get("terminated") or (last.get("terminated") if reason == "CrashLoopBackOff" else None)
    if ended is None and status.get("restartCount") and (before := last.get("terminated")):
        # it runs again by now, yet what it said of itself is still true
        told = before.get("reason") == "OOMKilled" or _failure_in(before) is not None
        ended = before if told and status["name"] == container else None
    if ended is None:
        return None
    if status["name"] == FETCH_CONTAINER:
        return None if ended.get("exitCode") == 0 else _fetch_failed(pod, status, ended)
    return _server_ended(pod, status, ended)


def _not_created(pod: Manifest, status: Manifest, reason: str, said: str, now: float) -> tuple[str, Verdict | None]:
    image = status.get("image", "")
    evidence = (f"pod {pod['metadata']['name']}, container {status['name']}: {reason}: {said}",)
    if reason in _PULLING or reason in ("InvalidImageName", "ErrImageNeverPull"):
        age = now - _seconds_of_its_node(pod)
        final = reason not in _PULLING or _NEVER_PULLED.search(said) or age > _PULL_PATIENCE_S
        verdict = Verdict(
            Cause.IMAGE_PULL,
            f"The image {image} cannot be pulled: {_innermost(said) or reason}.",
            "It holds the environment that the script runs in.",
            "Build and push it (make images), correct MOORAGE_IMAGES, or give the service account a pull secret.",
            evidence=evidence,
        )
        return f"pulling {image}: {_innermost(said) or reason}", verdict if final else None
    if _NO_PROGRAM in said:
        return f"{reason}: {said}", _no_python(image, evidence)
    if _LATER.search(said):
        return f"{reason}: {said}", None
    return f"{reason}: {said}", Verdict(
        Cause.PLACE_INCOMPLETE,
        f"Container {status['name']} cannot be created: {said or reason}.",
        "The namespace has each Secret and the service account that the pod names.",
        "Create what is missing, as the templates in deployments/kubernetes do, or correct the secrets in env_vars.",
        evidence=evidence,
    )


def _fetch_failed(pod: Manifest, status: Manifest, ended: Manifest) -> tuple[str, Verdict | None]:
    code, said = int(ended.get("exitCode", 0)), str(ended.get("message") or "").strip()
    evidence = (_exit_line(pod, status, ended),)
    if ended.get("reason") == "OOMKilled":
        return "fetching ran out of memory", _out_of_memory("while files were fetched", evidence)
    if ended.get("reason") == "StartError":
        return "its container did not start", _no_python(status.get("image", ""), (*evidence, said))
    named, text = _last_word(said)
    cause = Cause.KILLED if code in _KILLED_CODES else _FETCH_CAUSES.get(code, named)
    text = text or f"The fetch of its files ended with code {code}."
    may_pass = cause in (Cause.STORE_UNAVAILABLE, Cause.KILLED)
    if may_pass and int(status.get("restartCount", 0)) < _TRIES - 1:
        return f"fetching again: {text}", None
    mend = {
        Cause.STORE_DENIED: "The pods' keys are those of the Secret that MOORAGE_STORE_SECRET names.",
        Cause.STORE_UNAVAILABLE: "Pods reach the store at AWS_ENDPOINT_URL of that Secret, not at yours.",
    }.get(cause, "")
    return f"its files were not fetched: {cause}", Verdict(cause, text, "", mend, evidence=evidence)


def _last_word(said: str) -> tuple[Cause, str]:
    """The cause that the fetch named last and what it said of it; of other words the last line."""
    found = list(_NAMED.finditer(said))
    if not found:
        return Cause.INTERNAL, said.rpartition("\n")[2]
    return Cause(found[-1][1]), said[found[-1].end() :].strip()


def _server_ended(pod: Manifest, status: Manifest, ended: Manifest) -> tuple[str, Verdict | None]:
    evidence = (_exit_line(pod, status, ended),)
    if ended.get("reason") == "OOMKilled":
        return "out of memory", _out_of_memory("while it loaded or answered", evidence)
    if ended.get("reason") == "StartError":
        return "its container did not start", _no_python(
            status.get("image", ""), (*evidence, str(ended.get("message")))
        )
    report = _failure_in(ended)
    if report is not None and report.failure is not None:
        return "failed", Verdict.of_failure(report.failure, evidence)
    code = int(ended.get("exitCode", 0))
    if code in _KILLED_CODES and int(status.get("restartCount", 0)) < _TRIES - 1:
        return f"starting again after it ended with code {code}", None
    said = str(ended.get("message") or "").strip()
    last = () if StartupReport.from_json(said) else said.splitlines()[-1:]
    return f"ended with code {code}", Verdict(
        Cause.KILLED if code in _KILLED_CODES else Cause.CRASHED,
        f"Container {status['name']} ended with code {code} and said nothing of why.",
        "It runs until it is told to stop.",
        "Read its last lines; a crash in C code leaves a traceback of its own.",
        evidence=(*evidence, *last),
    )


def _no_python(image: str, evidence: tuple[str, ...]) -> Verdict:
    return Verdict(
        Cause.ENVIRONMENT_BROKEN,
        f"The image {image} cannot run the model server: it has no python to start it with.",
        "It holds the environment that the script runs in, with moorage[runtime].",
        "Build it on one of deployments/images.",
        evidence=evidence,
    )


def _failure_in(ended: Manifest) -> StartupReport | None:
    report = StartupReport.from_json(str(ended.get("message") or ""))
    return report if report is not None and report.failure is not None else None


def _out_of_memory(when: str, evidence: tuple[str, ...]) -> Verdict:
    return Verdict(
        Cause.OUT_OF_MEMORY,
        f"It took more memory than its limit {when}, and was killed.",
        "An instance stays under resources.limits.memory_mb.",
        "Raise the limit, or load less.",
        evidence=evidence,
    )


def _probe_misconfigured(pod: Manifest, facts: PodFacts) -> Verdict:
    said = [str(event.get("message", "")) for event in facts.events if event.get("reason") == "Unhealthy"]
    return Verdict(
        Cause.PROBE_MISCONFIGURED,
        "The model server answered its smoke requests and listens, but the probe does not reach it.",
        "The probe asks the port and the path that the server has.",
        "See who changed the probe: `kubectl get pod -o yaml`. Deploying again puts it right.",
        evidence=(f"pod {pod['metadata']['name']}: its log says READY", *said[-1:]),
    )


def _ending(pod: Manifest, now: float) -> tuple[str, Verdict | None]:
    # the API sets the deletion's time to when the pod should be gone
    late = now - seconds(pod["metadata"]["deletionTimestamp"])
    name = pod["metadata"]["name"]
    if late < _STUCK_S:
        return "finishing the requests in flight", None
    held = pod["metadata"].get("finalizers") or ()
    why = f"finalizers hold it: {', '.join(held)}" if held else "its node does not say that it ended"
    mend = (
        "See who set them; when nobody will take them off any more, remove them: `kubectl edit pod`."
        if held
        else f"See its node; when that is lost, `kubectl delete pod {name} --force`."
    )
    return f"stuck: {why}", Verdict(
        Cause.STUCK_TERMINATING,
        f"Pod {name} should have been gone {late:.0f} s ago; {why}.",
        "A pod ends within its grace period.",
        mend,
        evidence=(f"pod {name}: deletionTimestamp {pod['metadata']['deletionTimestamp']}",),
    )


def _exit_line(pod: Manifest, status: Manifest, ended: Manifest) -> str:
    name, restarts = pod["metadata"]["name"], status.get("restartCount", 0)
    return (
        f"pod {name}, container {status['name']}: {ended.get('reason', 'ended')}, exit code {ended.get('exitCode')},"
        f" restarts {restarts}"
    )


def _innermost(said: str) -> str:
    """The end of a chain of errors: what happened, without who passed it on."""
    return " ".join(said.split()).rstrip(".").rpartition(": ")[2]
