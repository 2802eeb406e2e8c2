"""Where the seconds go from the start of a flow to the first correct answer, on the cluster that KUBECONFIG names.

    KUBECONFIG=… TESTS_HOST_ADDRESS=… .venv/bin/python tests/benchmarks/first_answer_on_cluster.py --rounds 3

Each round deploys a new model deployment by `deploy_model`; a user asks its Service all the while, and an observer
looks at its pod twenty times a second. Prefect's server runs already. Prints the medians of each stage, and the last
round's waterfall. This machine must be able to reach the addresses of the Services.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx

from flows.standalone import connect_to_prefect
from moorage import preparation, rollout
from moorage.deployment import DeploymentSpec
from moorage.predictor import ModelSource, ServingTool
from moorage.report import DeployReport
from moorage.serving.cluster.backend import ClusterBackend
from moorage.serving.cluster.kinds import POD, SERVICE
from moorage.waterfall import StepTiming, waterfall
from tests.cluster.conftest import Cluster, backend_of, prepared_cluster, remove, site_on, started_store
from tests.serving.conftest import DOUBLE

_POLL_S: Final = 0.05
# The kubelet tells of a container's end up to a second late: logs are exact.
_LOGGED: Final = re.compile(r"^(\S+ \S+),(\d{3}) .*(are there, verified|: LOADING|: PROVING|: READY)$")
_ENDS: Final = {
    "are there, verified": "image, fetch",
    ": LOADING": "start Python",
    ": PROVING": "load",
    ": READY": "prove, listen",
}
# What is told of a pod, in the order of time, and how it is called here.
_STAGES: Final = ("pod made", "schedule", *_ENDS.values(), "ready")


@dataclass
class Watcher:
    """What a user and an observer saw of one deployment: the moment of each thing, in seconds since 1970."""

    backend: ClusterBackend
    moments: dict[str, float] = field(default_factory=dict)
    answered: float | None = None

    def __enter__(self) -> Watcher:
        self._over = threading.Event()
        self._threads = [threading.Thread(target=loop) for loop in (self._observe, self._ask)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _observe(self) -> None:
        while not self._over.wait(_POLL_S) and "ready" not in self.moments:
            for pod in self.backend.client.find(POD):
                for stage in _reached(pod):
                    self.moments.setdefault(stage, time.time())
                if "ready" in self.moments:
                    self._read_log(pod["metadata"]["name"])

    def _read_log(self, pod: str) -> None:
        for container in ("storage-initializer", self.backend.shape.container):
            for line in self.backend.client.logs(pod, container, tail=50) or ():
                if found := _LOGGED.match(line):
                    at = time.mktime(time.strptime(found[1], "%Y-%m-%d %H:%M:%S")) + int(found[2]) / 1000
                    self.moments[_ENDS[found[3]]] = at

    def _ask(self) -> None:
        url = ""
        with httpx.Client(trust_env=False, timeout=2) as http:
            while not self._over.wait(_POLL_S) and self.answered is None:
                if not url:
                    service = self.backend.client.get(SERVICE, self.backend.shape.service("double"))
                    url = f"http://{service['spec']['clusterIP']}/v1/models/double:predict" if service else ""
                    continue
                try:
                    if http.post(url, json={"instances": [[21]]}).json() == {"predictions": [42]}:
                        self.answered = time.time()
                except (httpx.HTTPError, ValueError):
                    continue


def _reached(pod: dict[str, Any]) -> list[str]:
    """The stages that a pod has behind it, as far as its status tells them."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    behind = {
        "pod made": True,
        "schedule": bool(pod["spec"].get("nodeName")),
        "ready": any(each["type"] == "Ready" and each["status"] == "True" for each in conditions),
    }
    return [stage for stage, is_behind in behind.items() if is_behind]


def rows_of(began: float, report: DeployReport, watcher: Watcher) -> list[StepTiming]:
    """The flow's steps, with the pod's stages in place of the wait; seconds from the flow's start."""
    before = [step for step in report.steps if step.name not in ("wait for ready", "smoke test", "promote revision")]
    after = [step for step in report.steps if step.name in ("smoke test", "promote revision")]
    rows, at = list(before), before[-1].began_s + before[-1].took_s
    for stage in _STAGES:
        reached = watcher.moments.get(stage, began + at) - began
        rows.append(StepTiming(stage, at, max(0, reached - at)))
        at = max(at, reached)
    return [*rows, *after]


@dataclass(frozen=True)
class Round:
    """One deploy: its rows, the seconds to the first correct answer, to its being live, and of the same deploy again.

    Attributes:
        reads, writes: what that asked of the API server.
    """

    rows: list[StepTiming]
    answered_s: float
    live_s: float
    unchanged_s: float
    reads: int
    writes: int


def deploy_once(cluster: Cluster, folder: Path, tool: ServingTool) -> Round:
    """Deploys, and takes it away again."""
    from flows.deploy_model import deploy_model

    site = site_on(cluster, folder)
    backend = backend_of(site, tool)
    os.environ |= {f"MOORAGE_{name.upper()}": value for name, value in cluster.settings.items()}
    os.environ |= {"MOORAGE_STORE": site.settings.store_url, "MOORAGE_HOME": str(folder / "home")}
    os.environ["KUBECONFIG"] = str(cluster.kubeconfig)
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "factor").write_text("2")
    (folder / "predictor.py").write_text(DOUBLE)
    spec = DeploymentSpec.model_validate(
        {
            "name": "double",
            "model": {"name": "double"},
            "serving_tool": tool,
            "script_file": str(folder / "predictor.py"),
            "smoke_test": {"requests": [{"inputs": [[21]], "expect": [42]}]},
        }
    )
    with Watcher(backend) as watcher:
        began = time.time()
        report = deploy_model(spec, model_files=ModelSource(path=str(folder / "model")))
        live = time.time()
        while watcher.answered is None:
            time.sleep(_POLL_S)
    calls = backend.client.calls
    reads, writes, again = calls.reads, calls.writes, time.monotonic()
    preparation.check(site, spec)
    model = preparation.register(site, spec.model)
    artifact = preparation.build_artifact_version(site, spec, model)
    proposal = rollout.provision(site, preparation.draft_revision(site, spec, model, artifact))
    assert proposal.nothing_to_do
    unchanged_s = time.monotonic() - again
    reads, writes = calls.reads - reads, calls.writes - writes
    remove(backend)
    answered_s = watcher.answered - began
    return Round(rows_of(began, report, watcher), answered_s, live - began, unchanged_s, reads, writes)


def main() -> None:
    """Prints the table of docs/clusters.md and a waterfall for each tool."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    connect_to_prefect()
    kept = dict(os.environ)
    tools = (ServingTool.KSERVE, ServingTool.KUBERNETES)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(prepared_cluster(stack.enter_context(started_store()), folder))
        measured = {
            tool: [deploy_once(cluster, folder / f"{tool}-{number}", tool) for number in range(rounds + 1)][1:]
            for tool in tools
        }
        os.environ |= {"KUBECONFIG": kept["KUBECONFIG"]}
    print(f"| stage | {' | '.join(tools)} |\n| --- | --- | --- |")
    for index, row in enumerate(measured[tools[0]][0].rows):
        seconds = [statistics.median(each.rows[index].took_s for each in measured[tool]) for tool in tools]
        print(f"| {row.name} | {' | '.join(f'{each:.2f} s' for each in seconds)} |")
    for name, field_name in (
        ("first correct answer", "answered_s"),
        ("live", "live_s"),
        ("the same again, unchanged", "unchanged_s"),
    ):
        seconds = [statistics.median(getattr(each, field_name) for each in measured[tool]) for tool in tools]
        print(f"| **{name}** | {' | '.join(f'**{each:.2f} s**' for each in seconds)} |")
    asked = [f"{max(each.reads for each in measured[tool])} reads, {measured[tool][0].writes} writes" for tool in tools]
    print(f"| asked of the API server for that | {' | '.join(asked)} |")
    for tool in tools:
        print(f"\n{tool}")
        for name, bar, took in waterfall(measured[tool][-1].rows, 48):
            print(f"{name:<24}{bar}{took:>9}")


if __name__ == "__main__":
    main()
