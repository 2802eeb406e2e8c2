"""Our wait and `KServeClient.wait_isvc_ready`, watching the very same deploys: seconds to ready, and to a verdict.

    KUBECONFIG=… TESTS_HOST_ADDRESS=… .venv/bin/python tests/benchmarks/wait_beside_kserve.py --rounds 5

Each round deploys a first revision, replaces it by a good one, and that by a broken one; both clients start to wait
when it was applied. What KServe's client calls ready while the old revision still answers is told as wrong.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from moorage import rollout
from moorage.deployment import Revision
from moorage.errors import ProvisionFailed
from moorage.predictor import ServingTool
from moorage.rollout import verdict_of
from tests.cluster.conftest import backend_of, prepared_cluster, remove, site_on, started_store
from tests.cluster.faults import REQUEST_ERROR
from tests.cluster.kubectl import NAMESPACE
from tests.serving.conftest import Workshop

_THEIR_TIMEOUT_S = 60


def timed(wait: Callable[[], str]) -> tuple[threading.Thread, list[tuple[float, str]]]:
    """Runs a wait in a thread; its seconds and what came of it."""
    found: list[tuple[float, str]] = []

    def run() -> None:
        began = time.monotonic()
        came = wait()
        found.append((time.monotonic() - began, came))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def ours(workshop: Workshop, revision: Revision) -> str:
    try:
        rollout.wait(workshop.site, revision)
    except ProvisionFailed as error:
        return str(error.verdict.cause)
    return "ready"


def theirs(workshop: Workshop, revision: Revision) -> str:
    from kserve import KServeClient

    try:
        KServeClient().wait_isvc_ready("double", namespace=NAMESPACE, timeout_seconds=_THEIR_TIMEOUT_S)
    except RuntimeError:
        return "gave up"
    serving = backend_of(workshop.site, ServingTool.KSERVE).observe("double").serving
    return "ready" if serving == revision.number else "ready (wrong)"


def deploy(workshop: Workshop, draft: Revision) -> tuple[tuple[float, str], tuple[float, str]]:
    """What both waits came to, ours first."""
    revision = rollout.provision(workshop.site, draft).revision
    threads = [timed(lambda: ours(workshop, revision)), timed(lambda: theirs(workshop, revision))]
    for thread, _ in threads:
        thread.join()
    our, their = threads[0][1][0], threads[1][1][0]
    if our[1] == "ready":
        rollout.prove(workshop.site, revision)
        rollout.promote(workshop.site, revision)
    else:
        failure = ProvisionFailed("double", revision.number, verdict_of(RuntimeError(our[1])))
        rollout.restore(workshop.site, revision, failure.verdict)
    return our, their


def main() -> None:
    """Prints a row for each kind of deploy."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    sys.argv = sys.argv[:1]  # kserve parses it
    rows: dict[str, list[tuple[tuple[float, str], tuple[float, str]]]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(prepared_cluster(stack.enter_context(started_store()), folder))
        for number in range(rounds):
            place = folder / str(number)
            workshop = Workshop(site_on(cluster, place), place / "work", tool=ServingTool.KSERVE)
            for name, changes in (("first", {}), ("good", {"factor": 3}), ("broken", {"script": REQUEST_ERROR})):
                rows.setdefault(name, []).append(deploy(workshop, workshop.revision(**changes)))
            remove(backend_of(workshop.site, ServingTool.KSERVE))
    print("| deploy | Moorage | came to | KServe's client | came to | ratio |\n| --- | --- | --- | --- | --- | --- |")
    for name, pairs in rows.items():
        our, their = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        came = [", ".join(sorted({pair[side][1] for pair in pairs})) for side in (0, 1)]
        print(f"| {name} | {our:.1f} s | {came[0]} | {their:.1f} s | {came[1]} | {their / our:.1f} |")


if __name__ == "__main__":
    main()
