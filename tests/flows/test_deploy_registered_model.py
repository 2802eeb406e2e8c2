"""What follows a model that was registered, or an alias that moved, on a real Prefect server."""

import json
from typing import Any

import pytest
from prefect.artifacts import Artifact

from flows.deploy_registered_model import deploy_registered_model
from moorage import lifecycle
from moorage.contest import Contest
from moorage.errors import CallerError, NotFound, SomeFailed
from moorage.predictor import ModelSource
from moorage.reconciliation import Result
from tests.flows.conftest import DOUBLE

pytestmark = pytest.mark.usefixtures("prefect_server")

BETTER = Contest(metric="auc", margin=0.01)


@pytest.fixture
def publish(site, tmp_path):
    """Publishes the next version of the model."""

    def publish(factor, auc=0.9):
        folder = tmp_path / f"model-{factor}"
        folder.mkdir()
        (folder / "factor").write_text(str(factor))
        source = ModelSource(path=str(folder), metrics={"auc": auc}, input_example=[[21]])
        return site.registry.publish("double", source).model.version

    return publish


@pytest.fixture
def folder(tmp_path):
    """Declares one deployment that follows the newest version, one that follows an alias, and others."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "p.py").write_text(DOUBLE)
    versions = {"newest": "latest", "champion": "champion", "fixed": "1", "other": "latest"}
    for name, version in versions.items():
        model = "other" if name == "other" else "double"
        (folder / f"{name}.yaml").write_text(
            f"name: {name}\nmodel: {{name: {model}, version: {version}}}\nscript_file: p.py\n"
        )
    (folder / "bad.yaml").write_text("nonsense: true\n")
    return folder


def react(folder, *said, **options):
    reconciliation: Any = deploy_registered_model(*said, folder=str(folder), **options)
    return {row.deployment: (row.result, row.detail) for row in reconciliation.rows}


def test_a_new_version_goes_where_the_newest_is_followed_and_nowhere_else(site, folder, publish):
    publish(2)
    assert react(folder, "double", 1) == {"newest": (Result.DEPLOYED, "revision 1 is live: new")}
    assert lifecycle.predict(site, "newest", inputs=[[21]]).predictions == [42]
    assert [view.name for view in lifecycle.deployments(site)] == ["newest"]
    reasons = [entry.reason for entry in site.ledger("newest").history()]
    assert reasons[0] == "double: version 1 registered"
    rows = json.loads(str(artifact("redeploy-following-double").data))
    assert [row["deployment"] for row in rows] == ["newest"]


def artifact(key):
    found = Artifact.get(key)
    assert found is not None
    return found


def test_an_alias_that_moved_goes_where_that_alias_is_followed(site, folder, publish):
    publish(2)
    publish(3)
    references = site.registry.references("double")
    references.move_aliases({"champion": 1})
    assert react(folder, "double", 1, "champion")["champion"][0] is Result.DEPLOYED
    references.move_aliases({"champion": 2})
    assert react(folder, "double", 2, "champion")["champion"] == (
        Result.DEPLOYED,
        "revision 2 is live: model.version: 1 → 2",
    )
    assert react(folder, "double", 2, "nobody") == {}


def test_an_event_that_comes_twice_or_late_does_nothing_more(site, folder, publish):
    publish(2)
    react(folder, "double", 1)
    publish(3)
    assert react(folder, "double", 2)["newest"][0] is Result.DEPLOYED
    entries = len(site.ledger("newest").history())
    assert react(folder, "double", 1)["newest"][0] is Result.UNCHANGED
    assert react(folder, "double", 2)["newest"][0] is Result.UNCHANGED
    assert len(site.ledger("newest").history()) == entries


def test_a_challenger_is_deployed_only_when_it_beats_the_champion(site, folder, publish):
    publish(2, auc=0.9)
    assert react(folder, "double", 1, contest=BETTER)["newest"][0] is Result.DEPLOYED
    publish(3, auc=0.905)
    assert react(folder, "double", 2, contest=BETTER)["newest"] == (
        Result.KEPT,
        "auc 0.905 does not beat 0.9 of version 1 by 0.01",
    )
    assert lifecycle.predict(site, "newest", inputs=[[21]]).predictions == [42]
    publish(4, auc=0.95)
    assert react(folder, "double", 3, contest=BETTER)["newest"][0] is Result.DEPLOYED
    assert site.ledger("newest").history()[-4].reason == (
        "double: version 3 registered; auc 0.95 beats 0.9 of version 1 by 0.01"
    )


WRONG = {
    "no name": ((None, 1), CallerError, "The event names no model"),
    "no such model": (("nobody", 1), NotFound, "There is no model 'nobody'"),
    "no such version": (("double", 7), NotFound, "Model 'double' has no version 7"),
}


@pytest.mark.parametrize(("said", "kind", "message"), WRONG.values(), ids=WRONG.keys())
def test_an_event_that_is_wrong_fails_the_run_and_says_in_what(folder, publish, said, kind, message):
    publish(2)
    with pytest.raises(kind, match=message):
        react(folder, *said)


def test_a_metric_that_is_not_there_fails_the_run_and_names_those_that_are(folder, publish):
    publish(2)
    with pytest.raises(SomeFailed, match=r"Version 1 has no metric 'f1' .* It has auc\."):
        react(folder, "double", 1, contest=Contest(metric="f1"))
