"""Objects as the API server of Kubernetes 1.34 writes them; each test says only what matters to it.

All times are seconds after the pod was created.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from moorage.serving.cluster.marks import Manifest

POD: Final = "iris-7d4b9c6f5-x2x9k"
CONTAINER: Final = "predictor"
FETCH: Final = "storage-initializer"
IMAGE: Final = "registry.example/pandas-inference-pipeline:0.1.0"
_BIRTH: Final = datetime(2026, 11, 25, 16, tzinfo=UTC)


def time_after(seconds: float) -> str:
    return (_BIRTH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(seconds: float) -> float:
    return _BIRTH.timestamp() + seconds


def running(since_s: float = 3) -> Manifest:
    return {"running": {"startedAt": time_after(since_s)}}


def waiting(reason: str, message: str | None = None) -> Manifest:
    return {"waiting": {"reason": reason} | ({} if message is None else {"message": message})}


def terminated(code: int, reason: str | None = None, message: str | None = None) -> Manifest:
    ended: Manifest = {
        "containerID": "containerd://5f0c",
        "exitCode": code,
        "finishedAt": time_after(4),
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "startedAt": time_after(2),
    }
    return {"terminated": ended | ({} if message is None else {"message": message})}


def back_off(name: str = CONTAINER) -> Manifest:
    return waiting("CrashLoopBackOff", f"back-off 10s restarting failed container={name} pod={POD}_moorage(4f6e)")


def a_container(
    name: str, state: Manifest, *, last: Manifest | None = None, restarts: int = 0, ready: bool = False
) -> Manifest:
    return {
        "containerID": "" if "waiting" in state and last is None else "containerd://5f0c",
        "image": IMAGE,
        "imageID": "" if "waiting" in state and last is None else f"{IMAGE}@sha256:7c1e",
        "lastState": last or {},
        "name": name,
        "ready": ready,
        "restartCount": restarts,
        "started": "running" in state,
        "state": state,
    }


def a_fetch(state: Manifest, *, last: Manifest | None = None, restarts: int = 0) -> Manifest:
    return a_container(
        FETCH, state, last=last, restarts=restarts, ready=state.get("terminated", {}).get("exitCode") == 0
    )


def a_server(state: Manifest, *, last: Manifest | None = None, restarts: int = 0, ready: bool = False) -> Manifest:
    return a_container(CONTAINER, state, last=last, restarts=restarts, ready=ready)


FETCHED: Final = a_fetch(terminated(0))
NOT_BEGUN: Final = a_server(waiting("PodInitializing"))
LOADING: Final = a_server(running())


def a_pod(
    name: str = POD,
    *,
    revision: int | None = 2,
    created_s: float = 0,
    scheduled_s: float = 0,
    fetch: Manifest | None = FETCHED,
    server: Manifest | None = LOADING,
    ready: bool = False,
    labels: Mapping[str, str] | None = None,
    should_end_s: float | None = None,
    finalizers: Sequence[str] = (),
) -> Manifest:
    """A pod on a node; its containers run, wait or have ended as said."""
    if ready:
        server = (server or LOADING) | {"ready": True}
    fetched = fetch is not None and fetch["ready"]
    return {
        "metadata": _metadata(name, revision, created_s, labels, should_end_s, finalizers),
        "spec": _spec() | {"nodeName": "node-1"},
        "status": {
            "observedGeneration": 1,
            "phase": "Running" if fetched else "Pending",
            "conditions": [
                a_condition("PodReadyToStartContainers", "True", since_s=scheduled_s + 1),
                a_condition("Initialized", "True" if fetched else "False", since_s=scheduled_s),
                a_condition("Ready", "True" if ready else "False", since_s=scheduled_s),
                a_condition("ContainersReady", "True" if ready else "False", since_s=scheduled_s),
                a_condition("PodScheduled", "True", since_s=scheduled_s),
            ],
            "hostIP": "198.18.0.1",
            "startTime": time_after(scheduled_s),
            "initContainerStatuses": [] if fetch is None else [fetch],
            "containerStatuses": [] if server is None else [server],
            "qosClass": "Burstable",
        },
    }


def a_pod_without_node(reason: str, message: str, *, since_s: float | None = 0, **changes: Any) -> Manifest:
    """A pod that the scheduler has put on no node, and why."""
    pod = a_pod(**changes)
    pod["spec"].pop("nodeName")
    scheduled = a_condition("PodScheduled", "False", since_s=since_s, reason=reason, message=message)
    pod["status"] = {
        "observedGeneration": 1,
        "phase": "Pending",
        "conditions": [scheduled],
        "qosClass": "Burstable",
    }
    return pod


def an_evicted_pod(name: str = POD, **changes: Any) -> Manifest:
    """A pod that its node ended for want of memory; it stays there until somebody deletes it."""
    killed = terminated(137, "ContainerStatusUnknown", "The container could not be located when the pod was terminated")
    pod = a_pod(name, server=a_server(killed), **changes)
    pod["status"] |= {
        "phase": "Failed",
        "reason": "Evicted",
        "message": "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. ",
    }
    return pod


def a_condition(
    kind: str, status: str, *, since_s: float | None = 0, reason: str | None = None, message: str | None = None
) -> Manifest:
    words = {"reason": reason, "message": message}
    return {
        "lastProbeTime": None,
        "lastTransitionTime": None if since_s is None else time_after(since_s),
        "observedGeneration": 1,
        "status": status,
        "type": kind,
    } | {word: text for word, text in words.items() if text is not None}


def an_event(reason: str, message: str = "", *, pod: str = POD) -> Manifest:
    return {
        "metadata": {"name": f"{pod}.18a1", "namespace": "moorage"},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": pod, "namespace": "moorage"},
        "reason": reason,
        "message": message,
        "lastTimestamp": time_after(3),
        "count": 1,
    }


def a_deployment(
    *,
    revision: int | None = 2,
    wanted: int = 1,
    generation: int = 2,
    observed: int | None = None,
    conditions: Sequence[Manifest] = (),
    **counts: int,
) -> Manifest:
    """A Deployment all of whose pods are there, new and ready, but for the counts that are given."""
    names = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    told = dict.fromkeys(names, wanted) | counts
    return {
        "metadata": {
            "name": "iris",
            "namespace": "moorage",
            "uid": "0c1d",
            "resourceVersion": "4711",
            "generation": generation,
            "creationTimestamp": time_after(-60),
            "labels": _labels(None),
        },
        "spec": {
            "replicas": wanted,
            "selector": {"matchLabels": _labels(None)},
            "template": {"metadata": {"labels": _labels(revision)}, "spec": _spec()},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 600,
        },
        "status": {
            "observedGeneration": generation if observed is None else observed,
            # a count of zero is left out
            **{name: count for name, count in told.items() if count},
            "conditions": [
                _condition_of_deployment(
                    "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
                ),
                _condition_of_deployment("Progressing", "True", "NewReplicaSetAvailable", "It has progressed."),
                *conditions,
            ],
        },
    }


def replica_failure(message: str, status: str = "True") -> Manifest:
    return _condition_of_deployment("ReplicaFailure", status, "FailedCreate", message)


def _condition_of_deployment(kind: str, status: str, reason: str, message: str) -> Manifest:
    since = time_after(0)
    return {
        "lastTransitionTime": since,
        "lastUpdateTime": since,
        "message": message,
        "reason": reason,
        "status": status,
        "type": kind,
    }


def _metadata(
    name: str,
    revision: int | None,
    created_s: float,
    labels: Mapping[str, str] | None,
    should_end_s: float | None,
    finalizers: Sequence[str],
) -> Manifest:
    metadata: Manifest = {
        "name": name,
        "generateName": f"{name.rpartition('-')[0]}-",
        "namespace": "moorage",
        "uid": "4f6e",
        "resourceVersion": "4712",
        "generation": 1,
        "creationTimestamp": time_after(created_s),
        "labels": _labels(revision) | {"pod-template-hash": "7d4b9c6f5"} | dict(labels or {}),
        "annotations": {"moorage.dev/revision-digest": "sha256:cc"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "iris-7d4b9c6f5", "uid": "9a3b"}],
    }
    if finalizers:
        metadata["finalizers"] = list(finalizers)
    if should_end_s is not None:
        metadata |= {"deletionTimestamp": time_after(should_end_s), "deletionGracePeriodSeconds": 45}
    return metadata


def _labels(revision: int | None) -> dict[str, str]:
    labels = {
        "app.kubernetes.io/managed-by": "moorage",
        "moorage.dev/deployment": "iris",
        "moorage.dev/serving-tool": "kubernetes",
    }
    return labels if revision is None else labels | {"moorage.dev/revision": str(revision)}


def _spec() -> Manifest:
    return {
        "initContainers": [{"name": FETCH, "image": IMAGE}],
        "containers": [{"name": CONTAINER, "image": IMAGE}],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 45,
        "serviceAccountName": "moorage-pod",
    }
