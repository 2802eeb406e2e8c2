"""What is killed, cut off or overtaken in a cluster: one revision is left, and a ledger that tells the story."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from moorage import lifecycle, preparation, rollout
from moorage.deployment import Rollout
from moorage.errors import ProvisionFailed, Superseded
from moorage.ledger import Event
from moorage.predictor import ServingTool
from moorage.rules import violations
from moorage.serving.cluster.backend import ClusterBackend
from moorage.site import Site
from moorage.startup import Cause
from tests.cluster.conftest import Cluster, site_in_ending_namespace, wired_site
from tests.cluster.cut import Wire
from tests.cluster.deploying import ask, deploy
from tests.cluster.faults import ENDLESS, full_queue
from tests.cluster.kubectl import NAMESPACE, kubectl, objects
from tests.flows.conftest import prefect_server  # noqa: F401 - a fixture
from tests.serving.conftest import Workshop
from tests.values import a_spec
from tests.waiting import until

ROOT = Path(__file__).parents[2]
MOMENTS = [
    ("step_began", "provision predictor"),
    ("step_began", "wait for ready"),
    ("stage", "loading the predictor script and answering the smoke requests"),
    ("step_began", "smoke test"),
    ("step_began", "promote revision"),
    ("step_ended", "promote revision"),
]


def numbers_of_pods() -> set[str]:
    """The revisions of all pods that are not on their way out."""
    pods = [pod["metadata"] for pod in objects("pods") if not pod["metadata"].get("deletionTimestamp")]
    return {pod["labels"]["moorage.dev/revision"] for pod in pods}


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(("kind", "moment"), MOMENTS, ids=[" ".join(moment) for moment in MOMENTS])
def test_the_run_after_a_kill_goes_on_and_one_revision_is_left(
    cluster: Cluster, site: Site, backend: ClusterBackend, workshop: Workshop, tmp_path: Path, kind: str, moment: str
) -> None:
    first = workshop.revision()
    deploy(site, first)
    again = workshop.revision(factor=3)
    requests = [{"inputs": [[21]], "expect": [63]}]
    spec = a_spec(
        name="double",
        model={"name": "double", "version": again.model.version},
        serving_tool=str(workshop.tool),
        script_file=str(workshop.folder / "predictor.py"),
        smoke_test={"requests": requests},
    )
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    variables = {
        "KUBECONFIG": str(cluster.kubeconfig),
        "MOORAGE_HOME": str(site.settings.home),
        "MOORAGE_STORE": site.settings.store,
        "MOORAGE_NAMESPACE": NAMESPACE,
        "MOORAGE_IMAGES": site.settings.images,
        "PYTHONPATH": str(ROOT),
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
    }

    def run(kind: str, moment: str) -> int:
        command = [sys.executable, "tests/flows/killed_flow.py", str(tmp_path / "spec.json"), kind, moment]
        quiet = subprocess.DEVNULL
        return subprocess.run(
            command, cwd=ROOT, env=os.environ | variables, stdout=quiet, stderr=quiet, check=False, timeout=240
        ).returncode

    assert run(kind, moment) == -signal.SIGKILL
    assert ask(site, first)[0] in (42, 63)
    assert run("never", "") == 0
    assert ask(site, first) == (63, "2")
    until(lambda: numbers_of_pods() == {"2"}, timeout_s=60, what="the old pod's end")
    assert len(objects("deployments")) == 1
    state = site.ledger("double").state()
    assert (state.live and state.live.number, state.candidate, state.last_number) == (2, None, 2)
    assert Event.PROMOTED in [entry.event for entry in lifecycle.history(site, "double")]


def test_of_two_deploys_at_once_the_newer_wins_and_the_other_says_so(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    deploy(site, workshop.revision())
    slow, newer = workshop.revision(script=ENDLESS), workshop.revision(factor=3)
    told: list[BaseException] = []
    older = rollout.provision(site, slow).revision

    def wait_for_older() -> None:
        try:
            rollout.wait(site, older)
        except Superseded as error:
            told.append(error)

    thread = threading.Thread(target=wait_for_older)
    thread.start()
    assert deploy(site, newer).verdict is None
    thread.join(30)
    assert "revision 3 is wanted now" in str(told[0])
    assert ask(site, newer) == (63, "3")


@pytest.fixture
def wired(cluster: Cluster, site: Site, tool: ServingTool, tmp_path: Path) -> Iterator[tuple[Site, Wire]]:
    """A site whose way to the API server can be cut."""
    with wired_site(cluster, site, tool, tmp_path) as found:
        yield found


def test_an_api_server_that_is_away_in_the_wait_is_waited_for(
    wired: tuple[Site, Wire], backend: ClusterBackend, workshop: Workshop
) -> None:
    site, wire = wired
    draft = workshop.revision()
    back = threading.Timer(4, wire.mend)

    def away(_: str) -> None:
        if not back.is_alive() and not back.finished.is_set():
            wire.cut()
            back.start()

    outcome = deploy(site, draft, on_stage=away)
    back.join()
    assert outcome.verdict is None
    assert any("does not answer" in stage for stage in outcome.stages)
    assert ask(site, draft) == (42, "1")


def test_an_api_server_that_never_answers_is_told_in_time(
    wired: tuple[Site, Wire], backend: ClusterBackend, workshop: Workshop
) -> None:
    site, wire = wired
    draft = workshop.revision(rollout=Rollout(ready_timeout_s=3))
    revision = rollout.provision(site, draft).revision
    wire.cut()
    with pytest.raises(ProvisionFailed) as failure:
        rollout.wait(site, revision)
    assert failure.value.verdict.cause is Cause.API_UNREACHABLE
    wire.mend()
    rollout.restore(site, revision, failure.value.verdict)


def test_what_waits_for_quota_in_a_queue_is_waited_for_and_told(
    site: Site, backend: ClusterBackend, workshop: Workshop
) -> None:
    if "kueue" not in kubectl("api-resources", "-o", "name"):
        pytest.skip("no Kueue in this cluster")
    draft = workshop.revision(queue="tests", rollout=Rollout(ready_timeout_s=12))
    asked = a_spec(model={"name": "double"}, serving_tool=str(backend.shape.tool))
    until(lambda: preparation.gather_facts(site, asked).queues == (), what="the end of earlier queues")
    with full_queue(workshop, draft):
        assert "42" in [each.rule for each in violations(asked, preparation.gather_facts(site, asked))]
        outcome = deploy(site, draft)
    assert outcome.verdict is not None
    assert outcome.verdict.cause is Cause.HELD_BY_QUEUE
    assert "held by Kueue in queue 'tests' until there is quota" in outcome.stages


def test_what_is_live_stays_in_its_queue_and_serves_on(site: Site, backend: ClusterBackend, workshop: Workshop) -> None:
    if "kueue" not in kubectl("api-resources", "-o", "name"):
        pytest.skip("no Kueue in this cluster")
    draft = workshop.revision()
    deploy(site, draft)
    moved = workshop.revision(queue="tests")
    with full_queue(workshop, moved):
        outcome = deploy(site, moved)
    assert outcome.verdict is not None
    assert (outcome.verdict.cause, outcome.revision) == (Cause.WEBHOOK_DENIED, None)
    assert ask(site, draft) == (42, "1")


def test_a_queue_that_is_not_there_is_refused(site: Site, backend: ClusterBackend, workshop: Workshop) -> None:
    outcome = deploy(site, workshop.revision(queue="no-such-queue"))
    assert outcome.verdict is not None
    assert (outcome.verdict.cause, outcome.revision) == (Cause.PLACE_INCOMPLETE, None)
    assert "LocalQueue 'no-such-queue'" in str(outcome.verdict)


def test_a_namespace_that_is_being_deleted_is_refused(site: Site, workshop: Workshop, tool: ServingTool) -> None:
    with site_in_ending_namespace(site, tool) as elsewhere:
        outcome = deploy(elsewhere, workshop.revision())
    assert outcome.verdict is not None
    assert (outcome.verdict.cause, outcome.revision) == (Cause.NAMESPACE_TERMINATING, None)
