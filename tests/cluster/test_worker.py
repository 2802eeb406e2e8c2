"""Flows as pods: the worker and the Role that we ship, a Prefect server elsewhere, and what evicts or kills them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moorage import lifecycle
from moorage.deployment import Revision
from moorage.ledger import Event
from moorage.predictor import ServingTool
from moorage.site import Site
from tests.cluster.conftest import Cluster, backend_of, remove, site_on
from tests.cluster.faults import IMPORT_ERROR
from tests.cluster.kubectl import NAMESPACE, kubectl, objects
from tests.cluster.prefect_worker import running_worker
from tests.flows.orchestrator import Orchestrator
from tests.flows.prefect_server import running_server
from tests.serving.conftest import DOUBLE, Workshop
from tests.waiting import until

# A predictor that takes its time: what happens meanwhile happens in flight.
SLOW = "import time\ntime.sleep(25)\n" + DOUBLE

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif("TESTS_HOST_ADDRESS" not in os.environ, reason="pods reach no Prefect server of this machine's"),
]


@pytest.fixture(scope="module")
def site_of_runs(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site that runs work at, as a person elsewhere opens it."""
    return site_on(cluster, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def prefect(site_of_runs: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orchestrator]:
    settings = {"MOORAGE_STORE": site_of_runs.settings.store, "MOORAGE_IMAGES": site_of_runs.settings.images}
    with (
        running_server(tmp_path_factory.mktemp("prefect"), os.environ["TESTS_HOST_ADDRESS"]) as server,
        running_worker(server.api, settings, os.environ),
    ):
        yield server.orchestrator


@pytest.fixture
def site(site_of_runs: Site) -> Iterator[Site]:
    yield site_of_runs
    remove(backend_of(site_of_runs, ServingTool.KSERVE))


@pytest.fixture
def workshop(site: Site, tmp_path: Path) -> Workshop:
    return Workshop(site, tmp_path, tool=ServingTool.KSERVE)


def spec_of(revision: Revision) -> dict[str, Any]:
    """What a form is filled in with: everything of it is in the store already."""
    factor = revision.smoke_requests[0]
    return {
        "name": "double",
        "model": {"name": "double", "version": revision.model.version},
        "serving_tool": "KSERVE",
        "artifact_version": revision.artifact.version,
        "environment": revision.environment,
        "smoke_test": {"requests": [{"inputs": factor.inputs, "expect": factor.expect}]},
    }


def pod_of(run: str) -> dict[str, Any]:
    """The newest pod of a run that is not on its way out, once it runs."""

    def look() -> dict[str, Any] | None:
        pods = objects("pods", f"prefect.io/flow-run-id={run}")
        pods = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        return pods[-1] if pods and pods[-1]["status"]["phase"] == "Running" else None

    return until(look, timeout_s=120, what="the pod of the run")


def begin(prefect: Orchestrator, site: Site, revision: Revision) -> str:
    """A run that waits for the revision that never gets ready; its id."""
    run = prefect.start("deploy-model", spec=spec_of(revision))
    until(
        lambda: (history := site.ledger("double").history()) and history[-1].event is Event.APPLIED,
        timeout_s=120,
        what="the revision in flight",
    )
    time.sleep(2)
    return run


def kill(pod: dict[str, Any]) -> None:
    """Ends all processes of a pod but its first at once, as a lack of memory does."""
    killing = "import os, signal; os.kill(-1, signal.SIGKILL)"
    kubectl("exec", "-n", NAMESPACE, pod["metadata"]["name"], "--", "python", "-c", killing, check=False)


def answers(site: Site, factor: int) -> bool:
    return bool(lifecycle.predict(site, "double", inputs=[[21]]).predictions == [21 * factor])


def test_a_run_deploys_from_a_pod_with_the_role_that_we_ship(
    prefect: Orchestrator, site: Site, workshop: Workshop
) -> None:
    good, broken = workshop.revision(), workshop.revision(factor=3, script=IMPORT_ERROR)
    run = prefect.start("deploy-model", spec=spec_of(good))
    pod = pod_of(run)
    assert pod["spec"]["serviceAccountName"] == "moorage-deployer"
    prefect.until_state(run, "Completed")
    assert answers(site, 2)
    failed = prefect.start("deploy-model", spec=spec_of(broken))
    message = prefect.until_state(failed, "Failed")["state"]["message"]
    assert "PACKAGE_MISSING" in message
    assert answers(site, 2)
    told = [(entry.event, entry.revision) for entry in site.ledger("double").history()]
    assert told[-3:] == [(Event.APPLIED, 2), (Event.FAILED, 2), (Event.RESTORED, 1)]


def events(site: Site, after: int) -> list[tuple[Event, int | None]]:
    """What the ledger tells since it had so many entries."""
    return [(entry.event, entry.revision) for entry in site.ledger("double").history()[after:]]


def live(prefect: Orchestrator, site: Site, workshop: Workshop) -> int:
    """Takes a good revision online; how many entries the ledger has then."""
    prefect.until_state(prefect.start("deploy-model", spec=spec_of(workshop.revision())), "Completed")
    return len(site.ledger("double").history())


def test_a_run_whose_pod_is_evicted_takes_back_what_was_in_flight_and_is_run_again(
    prefect: Orchestrator, site: Site, workshop: Workshop
) -> None:
    before = live(prefect, site, workshop)
    run = begin(prefect, site, workshop.revision(factor=3, script=SLOW))
    kubectl("delete", "pod", "-n", NAMESPACE, pod_of(run)["metadata"]["name"], "--wait=false")
    prefect.until_state(run, "Completed", timeout_s=240)
    assert answers(site, 3)
    assert [event for event, _ in events(site, before)] == [
        *(Event.PROPOSED, Event.APPLIED, Event.FAILED, Event.RESTORED),
        *(Event.PROPOSED, Event.APPLIED, Event.PROVEN, Event.PROMOTED),
    ]


def test_a_run_that_is_killed_in_its_pod_has_crashed_and_the_next_goes_on_with_what_was_in_flight(
    prefect: Orchestrator, site: Site, workshop: Workshop
) -> None:
    before = live(prefect, site, workshop)
    slow = workshop.revision(factor=3, script=SLOW)
    run = begin(prefect, site, slow)
    kill(pod_of(run))
    prefect.until_state(run, "Crashed", timeout_s=240)
    assert answers(site, 2)
    prefect.until_state(prefect.start("deploy-model", spec=spec_of(slow)), "Completed", timeout_s=240)
    assert answers(site, 3)
    told = events(site, before)
    assert [event for event, _ in told if event is not Event.APPLIED] == [
        *(Event.PROPOSED, Event.ADOPTED, Event.PROVEN, Event.PROMOTED)
    ]
    assert len({revision for _, revision in told}) == 1


def test_a_worker_that_is_killed_leaves_its_runs_alone(prefect: Orchestrator, site: Site, workshop: Workshop) -> None:
    run = prefect.start("deploy-model", spec=spec_of(workshop.revision()))
    pod_of(run)
    killed = ["-l", "app.kubernetes.io/name=moorage-worker", "--grace-period=0", "--force"]
    kubectl("delete", "pod", "-n", NAMESPACE, *killed)
    prefect.until_state(run, "Completed")
    assert answers(site, 2)
    kubectl("rollout", "status", "-n", NAMESPACE, "deployment/moorage-worker", "--timeout=100s")
