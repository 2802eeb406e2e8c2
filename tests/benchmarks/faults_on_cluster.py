"""Every fault of `tests/cluster/faults.py`, made on the cluster that KUBECONFIG names: the table of docs/clusters.md.

    KUBECONFIG=… TESTS_HOST_ADDRESS=… .venv/bin/python tests/benchmarks/faults_on_cluster.py

Says for each the verdict, the seconds from the start of the wait to it, and from the moment at which the cluster showed
the fault (a status, a condition or an exit code, seen by an observer of its own who looks twenty times a second), and
what serves afterwards.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from moorage import lifecycle
from moorage.deployment import Rollout
from moorage.predictor import ServingTool
from moorage.serving.cluster.client import ClusterClient
from moorage.serving.cluster.kinds import DEPLOYMENT, POD
from tests.cluster.conftest import (
    Cluster,
    backend_of,
    prepared_cluster,
    remove,
    site_in_ending_namespace,
    site_on,
    started_store,
    wired_site,
)
from tests.cluster.deploying import Outcome, ask, deploy
from tests.cluster.faults import FAULTS, Fault, full_queue
from tests.cluster.kubectl import NAMESPACE
from tests.serving.conftest import Workshop

_WAITING_BADLY = {"ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff", "CreateContainerConfigError"}


class Observer:
    """Looks at the pods of one revision and keeps the moment at which something was wrong with one first."""

    def __init__(self, known: set[str]) -> None:
        self._client = ClusterClient.connect(NAMESPACE)
        self._known = known
        self._over = threading.Event()
        self.shown_at: float | None = None

    def __enter__(self) -> Observer:
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.05) and self.shown_at is None:
            pods = [pod for pod in self._client.find(POD) if pod["metadata"]["uid"] not in self._known]
            if any(map(_shows_a_fault, pods)) or any(map(_cannot_create, self._client.find(DEPLOYMENT))):
                self.shown_at = time.time()


def _shows_a_fault(pod: dict[str, Any]) -> bool:
    status = pod.get("status") or {}
    if any(each.get("reason") == "Unschedulable" for each in status.get("conditions") or ()):
        return True
    for each in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        ended = each["state"].get("terminated") or each.get("lastState", {}).get("terminated") or {}
        if ended.get("exitCode") or each["state"].get("waiting", {}).get("reason") in _WAITING_BADLY:
            return True
    return False


def _cannot_create(deployment: dict[str, Any]) -> bool:
    conditions = (deployment.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "ReplicaFailure" and each["status"] == "True" for each in conditions)


def run(workshop: Workshop, fault: Fault) -> tuple[Outcome, float | None, str]:
    """The outcome, the seconds from the cluster's showing it to the verdict, and what serves then."""
    site, backend = workshop.site, backend_of(workshop.site, workshop.tool)
    if not backend.observe("double").serving:
        deploy(site, workshop.revision())
    draft = workshop.revision(factor=5, **fault.changes)
    known = {pod["metadata"]["uid"] for pod in backend.client.find(POD)}
    with fault.spoil(workshop, draft), Observer(known) as observer:
        outcome = deploy(site, draft)
    late = None if observer.shown_at is None or outcome.verdict is None else outcome.decided_at - observer.shown_at
    return outcome, late, f"revision {ask(site, draft)[1]}"


def interruptions(cluster: Cluster, workshop: Workshop, folder: Path) -> Iterator[tuple[str, Outcome]]:
    """What only needs patience, or ends before anything is applied; name and outcome of each."""
    site, tool = workshop.site, workshop.tool
    with wired_site(cluster, site, tool, folder) as (through, wire):
        back = threading.Timer(4, wire.mend)

        def away(_: str) -> None:
            if not back.is_alive() and not back.finished.is_set():
                wire.cut()
                back.start()

        yield "API server away for 4 s", deploy(through, workshop.revision(factor=6), on_stage=away)
        back.join()
    with site_in_ending_namespace(site, tool) as elsewhere:
        yield "namespace terminating", deploy(elsewhere, workshop.revision(factor=7))


def held(workshop: Workshop) -> Outcome:
    """A first deploy into a queue that has no room."""
    queued = workshop.revision(queue="tests", rollout=Rollout(ready_timeout_s=12))
    with full_queue(workshop, queued):
        return deploy(workshop.site, queued)


def show(name: str, tool: ServingTool, outcome: Outcome, late: float | None, serves: str) -> None:
    """One row."""
    verdict = outcome.verdict.cause if outcome.verdict else "none: it got there"
    shown = "" if late is None else f"{late:.1f} s"
    when = f"{outcome.took_s:.1f} s" if outcome.revision else "before anything was applied"
    print(f"| {name} | {tool} | {verdict} | {when} | {shown} | {serves} |", flush=True)


def main() -> None:
    """Prints a row for each fault and tool."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=("faults", "interruptions"))
    only = parser.parse_args().only
    print("| fault | tool | verdict | after | after the cluster shows it | serves |")
    print("| --- | --- | --- | --- | --- | --- |")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(prepared_cluster(stack.enter_context(started_store()), folder))
        for tool in (ServingTool.KSERVE, ServingTool.KUBERNETES):
            workshop = Workshop(site_on(cluster, folder / tool), folder / tool / "work", tool=tool)
            deploy(workshop.site, first := workshop.revision())
            for name, fault in FAULTS.items() if only != "interruptions" else ():
                show(name, tool, *run(workshop, fault))
            for name, outcome in interruptions(cluster, workshop, folder) if only != "faults" else ():
                show(name, tool, outcome, None, f"revision {ask(workshop.site, first)[1]}")
            lifecycle.delete(workshop.site, "double")
            if only != "faults":
                show("Kueue full", tool, held(workshop), None, "nothing: it was the first")
                remove(backend_of(workshop.site, tool))


if __name__ == "__main__":
    main()
