"""Each fault, made for real: the verdict is the one of the table, and what served before serves on, untouched."""

from collections.abc import Iterator

import pytest

from moorage.predictor import ServingTool
from tests.cluster.conftest import Cluster, backend_of, remove, site_on
from tests.cluster.deploying import ask, deploy
from tests.cluster.faults import FAULTS, Fault
from tests.serving.conftest import Workshop


@pytest.fixture(scope="module")
def stage(cluster: Cluster, tool: ServingTool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """One deployment, that every fault is done to in turn: each has to leave it as it was."""
    folder = tmp_path_factory.mktemp(tool)
    workshop = Workshop(site_on(cluster, folder), folder / "work", tool=tool)
    yield workshop
    remove(backend_of(workshop.site, tool))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_ends_in_its_verdict_and_costs_nothing(stage: Workshop, tool: ServingTool, fault: Fault) -> None:
    site, backend = stage.site, backend_of(stage.site, tool)
    if not backend.observe("double").serving:
        assert deploy(site, stage.revision()).verdict is None
    before, answer = backend.observe("double").processes, ask(site, stage.revision())
    draft = stage.revision(factor=5, **fault.changes)
    with fault.spoil(stage, draft):
        outcome = deploy(site, draft)
    if fault.cause is None:
        assert outcome.verdict is None
        assert ask(site, draft) == (105, str(outcome.revision and outcome.revision.number))
        return
    assert outcome.verdict is not None
    assert outcome.verdict.cause is fault.cause
    assert fault.said in "\n".join((str(outcome.verdict), *outcome.verdict.evidence))
    assert (backend.observe("double").processes, ask(site, draft)) == (before, answer)
