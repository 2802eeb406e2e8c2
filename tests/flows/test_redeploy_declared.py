"""All that a folder declares, deployed by a flow on a real Prefect server."""

import json

import pytest
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

from flows.redeploy_declared import redeploy_declared
from moorage import lifecycle
from moorage.errors import SomeFailed
from moorage.reconciliation import Result
from tests.flows.conftest import DOUBLE

pytestmark = pytest.mark.usefixtures("prefect_server")

BROKEN = DOUBLE.replace("row[0] *", "row['x'] *")


@pytest.fixture
def folder(tmp_path, site, model):
    """Declares two deployments of a model that is registered."""
    site.registry.publish("double", model)
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def declare(folder):
    """Writes the file of one deployment, and its script."""

    def declare(name: str, script: str = DOUBLE, more: str = "") -> None:
        (folder / f"{name}.py").write_text(script)
        (folder / f"{name}.yaml").write_text(
            f"name: {name}\nmodel: {{name: double}}\nscript_file: {name}.py\n"
            f"smoke_test: {{requests: [{{inputs: [[21]], expect: [42]}}]}}\n{more}"
        )

    return declare


def redeploy(folder, **options):
    """By name of deployment, or of the file where none is known: the result and its detail."""
    try:
        rows = redeploy_declared(str(folder), **options).rows
    except SomeFailed as error:
        return str(error)
    return {row.deployment or row.file: (row.result, row.detail) for row in rows}


def results(folder, **options):
    return {name: result for name, (result, _) in redeploy(folder, **options).items()}


def artifact():
    found = Artifact.get("redeploy-declared")
    assert found is not None
    return found


def table():
    return {row["deployment"]: row for row in json.loads(str(artifact().data))}


def entries(site):
    return [info.key for info in site.store.list("Projects/default/")]


def answer(site, name):
    return lifecycle.predict(site, name, inputs=[[21]]).predictions


def test_what_is_new_is_deployed_and_afterwards_left_alone(site, folder, declare):
    declare("one")
    declare("two")
    assert redeploy(folder) == dict.fromkeys(["one", "two"], (Result.DEPLOYED, "revision 1 is live: new"))
    assert (answer(site, "one"), answer(site, "two")) == ([42], [42])
    before = entries(site)
    assert results(folder) == dict.fromkeys(["one", "two"], Result.UNCHANGED)
    assert entries(site) == before
    with get_client(sync_client=True) as client:
        named = FlowRunFilter(name=FlowRunFilterName(any_=["deploy-one", "deploy-two"]))
        assert [run.parent_task_run_id is not None for run in client.read_flow_runs(flow_run_filter=named)] == [
            True
        ] * 2


def test_one_that_fails_and_one_that_is_no_specification_do_not_stop_the_others(site, folder, declare):
    declare("good")
    declare("broken", BROKEN)
    declare("bad", more="environmnet: mine\n")
    said = redeploy(folder)
    assert "2 of 3 declared deployments failed" in said
    assert "bad.yaml:5: environmnet: is not known" in said
    assert "PREDICT_ERROR at broken.py:9" in said
    assert answer(site, "good") == [42]
    assert {name: row["result"] for name, row in table().items()} == {
        "good": "deployed",
        "broken": "failed",
        "?": "refused",
    }


def test_what_failed_is_tried_again_only_once_it_changed_or_somebody_insists(site, folder, declare):
    declare("one")
    redeploy(folder)
    declare("one", BROKEN)
    assert "PREDICT_ERROR" in redeploy(folder)
    history = len(site.ledger("one").history())
    result, detail = redeploy(folder)["one"]
    assert (result, len(site.ledger("one").history())) == (Result.QUARANTINED, history)
    assert "revision 2 was just this, and failed: PREDICT_ERROR at one.py:9" in detail
    assert "PREDICT_ERROR" in redeploy(folder, retry_quarantined=True)
    declare("one", "# mended\n" + DOUBLE)
    assert results(folder) == {"one": Result.DEPLOYED}


def test_a_dry_run_says_what_would_be_done_and_does_nothing(site, folder, declare):
    declare("one")
    before = entries(site)
    assert redeploy(folder, dry_run=True) == {"one": (Result.PLANNED, "new")}
    assert entries(site) == before


def test_what_somebody_stopped_stays_stopped(site, folder, declare):
    declare("one")
    redeploy(folder)
    lifecycle.stop(site, "one")
    declare("one", "# again\n" + DOUBLE)
    assert results(folder) == {"one": Result.STOPPED}


def test_what_is_no_longer_declared_is_pruned_when_told_and_nothing_else_is(site, folder, declare):
    declare("one")
    declare("two")
    redeploy(folder)
    (folder / "two.yaml").unlink()
    assert results(folder) == {"one": Result.UNCHANGED, "two": Result.UNDECLARED}
    assert answer(site, "two") == [42]
    assert results(folder, prune=True, group="other") == {"one": Result.UNCHANGED}
    declare("bad", more="environmnet: mine\n")
    assert "1 of 2" in redeploy(folder, prune=True)
    (folder / "bad.yaml").unlink()
    assert results(folder, prune=True) == {"one": Result.UNCHANGED, "two": Result.PRUNED}
    assert [view.name for view in lifecycle.deployments(site)] == ["one"]
    assert results(folder, prune=True) == {"one": Result.UNCHANGED}


def test_only_those_that_are_named_are_looked_at(folder, declare):
    declare("one")
    declare("two")
    assert results(folder, only=("two",)) == {"two": Result.DEPLOYED}
