"""From the objects of a deployment to an observation (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from moorage.deployment import State
from moorage.serving.base import Observation
from moorage.serving.cluster.marks import Manifest, number_in
from moorage.serving.cluster.pods import PodFacts, PodView, seconds, view_pod
from moorage.serving.cluster.shape import Route
from moorage.serving.cluster.steps import next_step
from moorage.serving.cluster.together import together
from moorage.serving.verdict import Verdict
from moorage.startup import Cause


@dataclass(frozen=True)
class Sight:
    """What was read of one deployment at one moment.

    Attributes:
        applied: the revision that the tool was given last; None when it was given none.
        running: whether it was asked to run.
        container: the name of the serving container.
        workload: the Deployment behind it; None while there is none.
        least: how many instances there must be.
        pods: all that carry the deployment's label.
        facts: by name of pod, what else was looked up.
        held: what holds the tool's own object, which was deleted; empty while it was not.
        refused: why the tool itself does not go on; None while it does.
        route: where requests go, as a tool says it that routes them itself; None where ready pods decide.
        endpoint: where users ask it while it runs.
        url: where users outside ask it, by the tool's word; None where it names nothing.
        transformer: the same of its transformer; None where it has none.
    """

    applied: int | None
    running: bool
    container: str
    workload: Manifest | None
    least: int
    pods: tuple[Manifest, ...]
    now: float
    facts: dict[str, PodFacts] = field(default_factory=dict)
    held: str = ""
    refused: Verdict | None = None
    route: Route | None = None
    endpoint: str | None = None
    url: str | None = None
    transformer: Sight | None = None


def observe(sight: Sight) -> Observation:
    """How the deployment stands: generation, marks and counts decide, never a `Ready` of the tool's alone."""
    seen = _observe(sight)
    return seen if sight.transformer is None else together(seen, _observe(sight.transformer))


def _observe(sight: Sight) -> Observation:
    views = view_pods(sight)
    alive = [view for view in views if not view.over]
    if sight.applied is None:
        return _gone(alive)
    if not sight.running:
        return _stopping(sight, alive)
    serving = sight.route.serving if sight.route else _serving(sight.applied, views)
    ours = [view for view in views if view.revision == sight.applied and not view.ending]
    ending = [view for view in views if view.ending]
    seen: dict[str, Any] = {
        "applied": sight.applied,
        "serving": serving,
        "endpoint": sight.endpoint,
        "processes": tuple(view.name for view in views if view.ready and view.revision == serving),
        "awaits": Cause.HELD_BY_QUEUE if any(view.held for view in ours) else None,
        "restarts": max((view.restarts for view in views if view.revision == serving), default=0),
        "canary": sight.applied if sight.route and sight.route.canary else None,
    }
    if _is_complete(sight, views) and not _first_verdict(ours):
        if any(view.ready for view in ours):
            return Observation(State.RUNNING, stage="answering", **seen)
        return Observation(State.IDLE, stage="idle: the next request starts an instance", **seen)
    # a pod that does not end may hold what the new ones wait for
    verdict = sight.refused or _first_verdict(ours) or _workload_verdict(sight) or _first_verdict(ending)
    if verdict is not None:
        return Observation(State.RUNNING if serving else State.FAILED, stage="failed", verdict=verdict, **seen)
    names = {view.name for view in ours}
    step = next_step([pod for pod in sight.pods if pod["metadata"]["name"] in names], sight.container)
    return Observation(State.UPDATING if serving else State.STARTING, stage=_stage(sight, ours), step=step, **seen)


def view_all_pods(sight: Sight) -> list[PodView]:
    """Each pod of the deployment; the predictor's first."""
    return [*view_pods(sight), *(view_pods(sight.transformer) if sight.transformer else ())]


def view_pods(sight: Sight) -> list[PodView]:
    """Each pod of the component, newest first."""
    newest_first = sorted(sight.pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    facts = sight.facts
    return [
        view_pod(pod, sight.container, sight.now, facts.get(pod["metadata"]["name"], PodFacts()))
        for pod in newest_first
    ]


def _gone(views: Sequence[PodView]) -> Observation:
    if views:
        return Observation(State.STOPPING, stage="finishing the requests in flight", verdict=_first_verdict(views))
    return Observation(State.CREATED, stage="never started")


def _stopping(sight: Sight, views: Sequence[PodView]) -> Observation:
    if views:
        return Observation(State.STOPPING, sight.applied, stage=views[0].stage, verdict=_first_verdict(views))
    if sight.held:
        return Observation(State.STOPPING, sight.applied, stage=f"deleted, but still there: {sight.held}")
    return Observation(State.STOPPED, sight.applied, stage="stopped")


def _serving(applied: int, views: Sequence[PodView]) -> int | None:
    """The revision that answers; the older one while both do, for a request may still meet it."""
    ready = {view.revision for view in views if view.ready and view.revision is not None}
    return next(iter(ready - {applied}), None) if ready - {applied} else (applied if applied in ready else None)


def _is_complete(sight: Sight, views: Sequence[PodView]) -> bool:
    if sight.route is not None:
        return sight.route.settled and sight.refused is None
    if sight.workload is None or sight.refused is not None:
        return False
    spec, status = sight.workload["spec"], sight.workload.get("status") or {}
    if status.get("observedGeneration") != sight.workload["metadata"]["generation"]:
        return False
    if number_in(spec["template"]["metadata"]) != sight.applied:
        return False
    # an autoscaler may want more by now: those that come later are of the same template
    enough = max(1, min(spec.get("replicas", 1), sight.least))
    all_new = status.get("replicas", 0) == status.get("updatedReplicas", 0)
    answering = min(status.get("readyReplicas", 0), status.get("availableReplicas", 0))
    others = any(view.ready and view.revision != sight.applied for view in views)
    return all_new and answering >= enough and spec.get("replicas", 1) >= sight.least and not others


def _first_verdict(views: Sequence[PodView]) -> Verdict | None:
    return next((view.verdict for view in views if view.verdict is not None), None)


# Webhooks refuse in passing what they have not heard of yet, such as a pod's own ReplicaSet; the next try passes.
_REFUSAL_GRACE_S: Final = 3

# What a Deployment says of pods that it was not let create: words of the API server's, and the cause they stand for.
_REFUSALS: Final = (
    ("exceeded quota", Cause.QUOTA_EXCEEDED, "Raise the quota of the namespace, or ask for less."),
    ("failed quota", Cause.QUOTA_EXCEEDED, "The quota asks for a limit: set resources.limits."),
    ("ratio per", Cause.QUOTA_EXCEEDED, "A LimitRange bounds limits by requests: raise the request, or change it."),
    ("usage per", Cause.QUOTA_EXCEEDED, "A LimitRange bounds what one pod may ask for: ask for less, or change it."),
    ("error looking up service account", Cause.PLACE_INCOMPLETE, "Create it: deployments/kubernetes has a template."),
    ("failed calling webhook", Cause.WEBHOOK_DENIED, "See whether the controller runs that the webhook belongs to."),
    ("being terminated", Cause.NAMESPACE_TERMINATING, "The namespace is being deleted: make it anew."),
)


def _workload_verdict(sight: Sight) -> Verdict | None:
    status = (sight.workload or {}).get("status") or {}
    failing = [
        each for each in status.get("conditions") or () if each["type"] == "ReplicaFailure" and each["status"] == "True"
    ]
    if not failing or (sight.workload or {}).get("status", {}).get("observedGeneration") != _generation(sight):
        return None
    said = str(failing[0].get("message") or failing[0].get("reason"))
    cause, mend = next(
        ((cause, mend) for words, cause, mend in _REFUSALS if words in said),
        (Cause.POD_REFUSED, "Change what the cluster's policy refuses."),
    )
    since = failing[0].get("lastTransitionTime")
    if cause is not Cause.QUOTA_EXCEEDED and since and sight.now - seconds(since) < _REFUSAL_GRACE_S:
        return None
    return Verdict(cause, f"The cluster does not let its pods be created: {said.rstrip('.')}.", "", mend)


def _generation(sight: Sight) -> int | None:
    return None if sight.workload is None else sight.workload["metadata"]["generation"]


def _stage(sight: Sight, ours: Sequence[PodView]) -> str:
    if sight.route and sight.route.canary:
        return "answering its share of the requests"
    if sight.workload is None or not ours:
        return "waiting for the cluster to make its pods"
    unready = [view for view in ours if not view.ready]
    if not unready:
        return "taking over from the old instances"
    told = unready[0].stage
    ready, wanted = len(ours) - len(unready), sight.workload["spec"].get("replicas", 1)
    return told if wanted <= 1 else f"{told} ({ready} of {wanted} ready)"
