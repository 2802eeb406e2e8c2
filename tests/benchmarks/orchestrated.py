"""What Prefect adds: from an event to the first line of its flow, over the bare library's calls, and in memory.

    .venv/bin/python tests/benchmarks/orchestrated.py --rounds 5

Starts what `make orchestrator` runs. The overhead compares deploys on LOCAL, in interleaved rounds in one warm process:
the flow `deploy_model` against the same verbs of the library, each making one new revision.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil

from moorage import lifecycle, preparation, rollout
from moorage.deployment import DeploymentSpec
from moorage.predictor import ModelSource
from moorage.settings import Settings
from moorage.site import Site
from tests.flows.orchestrator import Orchestrator, running_orchestrator
from tests.serving.conftest import DOUBLE


def spec_in(folder: Path, name: str, number: int) -> DeploymentSpec:
    """A specification that is another revision for each number."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "p.py").write_text(f"# {number}\n{DOUBLE}")
    return DeploymentSpec.model_validate(
        {
            "name": name,
            "model": {"name": "double"},
            "script_file": str(folder / "p.py"),
            "smoke_test": {"requests": [{"inputs": [[21]], "expect": [42]}]},
        }
    )


def by_library(site: Site, spec: DeploymentSpec) -> float:
    """Seconds of a deploy by the library's verbs alone."""
    began = time.monotonic()
    preparation.check(site, spec)
    model = preparation.register(site, spec.model)
    artifact = preparation.build_artifact_version(site, spec, model)
    revision = rollout.provision(site, preparation.draft_revision(site, spec, model, artifact)).revision
    rollout.wait(site, revision)
    rollout.prove(site, revision)
    rollout.promote(site, revision)
    return time.monotonic() - began


def by_flow(spec: DeploymentSpec) -> float:
    """Seconds of a deploy by the flow."""
    from flows.deploy_model import deploy_model

    began = time.monotonic()
    deploy_model(spec)
    return time.monotonic() - began


def event_to_flow(orchestrator: Orchestrator, site: Site, folder: Path, number: int) -> tuple[float, float]:
    """Seconds from the publish of a model to the run's being created, and to the first line of its flow."""
    (folder / "weights").write_text(str(number))
    told = time.time()
    site.registry.publish("announced", ModelSource(path=str(folder / "weights")))
    while len(runs := orchestrator.runs("deploy-registered-model")) <= number:
        time.sleep(0.05)
    run = orchestrator.until_state(runs[-1]["id"], "Completed", "Failed")
    return _seconds(run["created"]) - told, _seconds(run["start_time"]) - told


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@contextlib.contextmanager
def most_memory(orchestrator: Orchestrator) -> Iterator[list[float]]:
    """The most MB that a process of a run took while the block lasted."""
    found, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            for process in psutil.Process(orchestrator.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "PREFECT__FLOW_RUN_ID" in process.environ():
                        found[0] = max(found[0], process.memory_info().rss / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Prints the table of docs/orchestration.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as temporary, running_orchestrator(Path(temporary)) as orchestrator:
        folder = Path(temporary)
        os.environ |= {name: orchestrator.environ[name] for name in ("PREFECT_API_URL", "MOORAGE_HOME")}
        site = Site(Settings.from_env(orchestrator.environ), "ada@lovelace")
        with most_memory(orchestrator) as memory:
            latencies = [event_to_flow(orchestrator, site, folder, number) for number in range(rounds)]
        (folder / "factor").write_text("2")
        site.registry.publish("double", ModelSource(path=str(folder / "factor")))
        bare, orchestrated = [], []
        for number in range(rounds + 1):
            bare.append(by_library(site, spec_in(folder / "bare", "bare", number)))
            orchestrated.append(by_flow(spec_in(folder / "flow", "flow", number)))
        for name in ("bare", "flow"):
            lifecycle.stop(site, name)
    rows = {
        "event → run created": statistics.median(created for created, _ in latencies),
        "event → first line of the flow": statistics.median(started for _, started in latencies),
        "deploy by the library": statistics.median(bare[1:]),
        "deploy by the flow, warm": statistics.median(orchestrated[1:]),
    }
    print("| | |\n| --- | --- |")
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.2f} s |")
    print(f"| memory of a run's process, at most | {memory[0]:.0f} MB |")


if __name__ == "__main__":
    main()
