"""Twenty deploys that events start at once, of ten models, over PostgreSQL: none is lost and none is done twice."""

from collections import Counter

import pytest

from moorage import lifecycle
from moorage.ledger import Event
from moorage.predictor import ModelSource
from tests.flows.conftest import DOUBLE
from tests.flows.orchestrator import running_orchestrator, site_of_runs
from tests.flows.postgres import programs, running_postgres
from tests.waiting import until

MODELS = [f"m{number}" for number in range(10)]
VERSIONS = (2, 3)
ALL_S = 280


@pytest.fixture
def orchestrator(tmp_path):
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt install postgresql")
    with (
        running_postgres() as url,
        running_orchestrator(tmp_path, PREFECT_API_DATABASE_CONNECTION_URL=url) as orchestrator,
    ):
        yield orchestrator


@pytest.fixture
def site(orchestrator):
    with site_of_runs(orchestrator) as site:
        yield site


def declare_all(orchestrator, folder):
    (folder / "models").mkdir()
    (folder / "models" / "p.py").write_text(DOUBLE)
    for model in MODELS:
        declared = f"name: {model}\nmodel: {{name: {model}}}\nscript_file: p.py\n"
        (folder / "models" / f"{model}.yaml").write_text(declared)
    deployment = orchestrator.deployment("deploy-registered-model")
    parameters = {"parameters": {"folder": str(folder / "models")}}
    orchestrator.ask("PATCH", f"/deployments/{deployment['id']}", parameters)


@pytest.mark.timeout(600)
def test_each_deployment_ends_with_its_newest_version_proven_once(orchestrator, site, tmp_path):
    declare_all(orchestrator, tmp_path)
    for factor in VERSIONS:
        for model in MODELS:
            (tmp_path / "factor").write_text(str(factor))
            site.registry.publish(model, ModelSource(path=str(tmp_path / "factor"), input_example=[[21]]))
    runs = until(lambda: all_ended(orchestrator), timeout_s=ALL_S, what="the end of twenty runs")
    assert Counter(run["state"]["name"] for run in runs) == {"Completed": 20}
    assert Counter(
        (run["parameters"]["model_name"], run["parameters"]["model_version"]) for run in runs
    ) == dict.fromkeys(((model, version) for model in MODELS for version in (1, 2)), 1)
    for model in MODELS:
        assert lifecycle.predict(site, model, inputs=[[21]]).predictions == [63]
        history = lifecycle.history(site, model)
        promoted = [
            live.model.version for entry in history if entry.event is Event.PROMOTED and (live := entry.state.live)
        ]
        assert promoted in ([1, 2], [2])
        assert history[-1].state.candidate is None
        assert len(lifecycle.view(site, model).seen.processes) == 1


def all_ended(orchestrator):
    runs = orchestrator.runs("deploy-registered-model")
    over = [run for run in runs if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")]
    return runs if len(runs) >= 20 and len(over) == len(runs) else None
