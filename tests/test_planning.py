"""Declared specifications beside what is live: what a deploy would do, told by few reads and without doing it."""

from pathlib import Path
from typing import cast

import pytest

from moorage import lifecycle, planning, preparation, rollout
from moorage.deployment import DeploymentSpec
from moorage.planning import Action, Planned
from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.settings import Settings
from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore
from tests.counting_store import CountingStore
from tests.scripted_backend import ScriptedSite

SCRIPT = "class Predictor:\n    def predict(self, inputs):\n        return inputs\n"
ASKED = {"smoke_test": {"requests": [{"inputs": [[1]]}]}}


@pytest.fixture
def site(tmp_path):
    return ScriptedSite(Settings(home=tmp_path / "home"), "ada@lovelace")


@pytest.fixture
def spec(tmp_path):
    """Makes the specification of a deployment with a script of its own."""

    def spec(name: str = "iris", script: str = SCRIPT, **changes: object) -> DeploymentSpec:
        path = tmp_path / f"{name}.py"
        path.write_text(script)
        values = {"name": name, "model": {"name": "iris_classifier"}, "script_file": str(path)}
        return DeploymentSpec.model_validate(values | ASKED | changes)

    return spec


def publish(site: ScriptedSite, tmp_path: Path, weights: str = "1", model: str = "iris_classifier") -> int:
    folder = tmp_path / f"{model}-{weights}"
    folder.mkdir(exist_ok=True)
    (folder / "weights").write_text(weights)
    return site.registry.publish(model, ModelSource(path=str(folder), input_example=[[7]])).model.version


def draft_of(site, spec):
    model = preparation.register(site, spec.model)
    return preparation.draft_revision(site, spec, model, preparation.build_artifact_version(site, spec, model))


def deploy(site, spec):
    revision = rollout.provision(site, draft_of(site, spec)).revision
    rollout.wait(site, revision)
    rollout.promote(site, revision)
    return revision


def plan(site, spec) -> Planned:
    (planned,) = planning.plan_all(site, [spec])
    return planned


def test_what_was_never_deployed_would_be_created_and_its_files_uploaded(site, spec, tmp_path):
    publish(site, tmp_path)
    planned = plan(site, spec())
    assert (planned.action, planned.live) == (Action.CREATE, None)
    assert [(file.path, file.size) for file in planned.uploads] == [("iris.py", len(SCRIPT))]


def test_what_is_live_and_answers_is_left_alone(site, spec, tmp_path):
    publish(site, tmp_path)
    deploy(site, spec())
    assert plan(site, spec()) == Planned("iris", Action.NOTHING, live=1)


CHANGES = {
    "an option": ({"env_vars": {"A": "1"}}, "env_vars"),
    "a smoke request": ({"smoke_test": {"requests": [{"inputs": [[2]]}]}}, "smoke_requests"),
    "a script": ({"script": "# again\n" + SCRIPT}, "artifact files: version 1 → a new one"),
    "smoke requests left out": ({"smoke_test": {}}, "smoke_requests"),
}


@pytest.mark.parametrize(("changes", "said"), CHANGES.values(), ids=CHANGES.keys())
def test_what_differs_would_be_changed_and_says_in_what(site, spec, tmp_path, changes, said):
    publish(site, tmp_path)
    deploy(site, spec())
    planned = plan(site, spec(**changes))
    assert (planned.action, planned.live) == (Action.CHANGE, 1)
    assert said in planned.changes[0]


@pytest.mark.parametrize("changes", [changes for changes, _ in CHANGES.values()], ids=CHANGES.keys())
def test_what_was_changed_is_left_alone_again_afterwards(site, spec, tmp_path, changes):
    publish(site, tmp_path)
    deploy(site, spec())
    deploy(site, spec(**changes))
    assert plan(site, spec(**changes)).action is Action.NOTHING


def test_a_new_model_version_is_a_change_for_who_wants_the_latest(site, spec, tmp_path):
    publish(site, tmp_path, "1")
    deploy(site, spec())
    deploy(site, spec("fixed", model={"name": "iris_classifier", "version": 1}))
    publish(site, tmp_path, "2")
    latest, fixed = planning.plan_all(site, [spec(), spec("fixed", model={"name": "iris_classifier", "version": 1})])
    assert latest.action is Action.CHANGE
    assert latest.changes[0] == "model.version: 1 → 2"
    assert fixed.action is Action.NOTHING


def test_an_alias_that_moved_is_a_change(site, spec, tmp_path):
    publish(site, tmp_path, "1")
    publish(site, tmp_path, "2")
    champion = spec(model={"name": "iris_classifier", "version": "champion"})
    references = site.registry.references("iris_classifier")
    references.move_aliases({"champion": 1}, actor="ada")
    deploy(site, champion)
    assert plan(site, champion).action is Action.NOTHING
    references.move_aliases({"champion": 2}, actor="ada")
    assert plan(site, champion).changes[0] == "model.version: 1 → 2"


def test_a_version_that_was_given_up_or_is_just_being_filled_is_no_new_one(site, spec, tmp_path):
    publish(site, tmp_path)
    deploy(site, spec())
    for number in (2, 3):
        site.store.put_if_absent(site.registry._access.keys.claim("iris_classifier", number), b"{}")
    assert plan(site, spec()).action is Action.NOTHING


def test_an_artifact_version_by_its_number_needs_no_files_here(site, spec, tmp_path):
    publish(site, tmp_path)
    deploy(site, spec())
    by_number = spec(script_file=None, artifact_version=1)
    assert plan(site, by_number).action is Action.NOTHING
    assert "There is no artifact version 2" in plan(site, spec(script_file=None, artifact_version=2)).reason


def test_what_does_not_answer_would_be_mended(site, spec, tmp_path):
    publish(site, tmp_path)
    deploy(site, spec())
    site.scripted.serving = None
    planned = plan(site, spec())
    assert (planned.action, planned.reason) == (Action.MEND, "it does not answer: looking")


def test_what_somebody_stopped_stays_stopped(site, spec, tmp_path):
    publish(site, tmp_path)
    deploy(site, spec())
    lifecycle.stop(site, "iris")
    for wanted in (spec(), spec(env_vars={"A": "1"})):
        planned = plan(site, wanted)
        assert (planned.action, planned.is_deployed) == (Action.LEAVE_STOPPED, False)
        assert "moorage deployment start iris" in planned.reason


def test_what_failed_is_not_tried_again_until_something_changes(site, spec, tmp_path):
    publish(site, tmp_path)
    deploy(site, spec())
    site.scripted.broken = {2}
    bad = spec(script="# bad\n" + SCRIPT)
    revision = rollout.provision(site, draft_of(site, bad)).revision
    rollout.restore(site, revision, site.scripted.observe("iris").verdict)
    planned = plan(site, bad)
    assert (planned.action, planned.live) == (Action.LEAVE_QUARANTINED, 1)
    assert planned.reason.startswith("revision 2 was just this, and failed: SCRIPT_ERROR")
    assert plan(site, spec(script="# mended\n" + SCRIPT)).action is Action.CHANGE


def test_what_is_in_flight_would_be_gone_on_with(site, spec, tmp_path):
    publish(site, tmp_path)
    site.scripted.starting = {1}
    rollout.provision(site, draft_of(site, spec()))
    planned = plan(site, spec())
    assert (planned.action, planned.reason) == (Action.RESUME, "revision 1 is in flight")


def test_what_was_deleted_would_be_created_anew(site, spec, tmp_path):
    publish(site, tmp_path)
    deploy(site, spec())
    lifecycle.delete(site, "iris")
    assert plan(site, spec()).action is Action.CREATE


REFUSED = {
    "no such model": ({"model": {"name": "nobody"}}, "There is no model 'nobody'"),
    "no such script": ({"script_file": "/nowhere.py"}, "/nowhere.py"),
    "a rule": ({"environment": "plain"}, "'plain' is no environment"),
}


@pytest.mark.parametrize(("changes", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_deployed_is_told_and_the_others_are_planned(site, spec, tmp_path, changes, said):
    publish(site, tmp_path)
    bad, good = planning.plan_all(site, [spec("bad", **changes), spec("good")])
    assert (bad.action, good.action) == (Action.REFUSE, Action.CREATE)
    assert said in bad.reason


def test_a_ledger_that_cannot_be_read_is_told_of_its_deployment_alone(site, spec, tmp_path):
    publish(site, tmp_path)
    site.store.put_if_absent("Projects/default/Ledger/bad/9999999998.json", b"no json")
    bad, good = planning.plan_all(site, [spec("bad"), spec("good")])
    assert (bad.action, good.action) == (Action.REFUSE, Action.CREATE)


@pytest.mark.parametrize("together", [True, False], ids=["one list", "a list each"])
def test_many_that_are_unchanged_take_few_reads_and_no_write(site, spec, tmp_path, monkeypatch, together):
    names = [f"d{number}" for number in range(20)]
    for name in names:
        publish(site, tmp_path, model=name)
    specs = [spec(name, model={"name": name}) for name in names]
    for each in specs:
        deploy(site, each)
    if not together:
        monkeypatch.setattr("moorage.store.newest._MOST", 10)
    counting = CountingStore(DirectoryStore(site.settings.home / "store"))
    fresh = ScriptedSite(site.settings, "ada@lovelace", scripted=site.scripted)
    vars(fresh).update(store=counting, registry=Registry(cast("ObjectStore", counting), "default"))
    site.scripted.applied, site.scripted.serving = [1], 1
    planned = planning.plan_all(fresh, specs)
    assert {each.action for each in planned} == {Action.NOTHING}
    assert counting.writes == 0
    # one of the ledger, one of the references, and two lists; or a list for each folder more
    assert counting.reads <= (2 + 2 * len(specs) if together else 2 + 5 * len(specs))


def test_in_detail_a_plan_says_what_would_be_applied_beside_what_would_be_uploaded(site, spec, tmp_path):
    publish(site, tmp_path)
    detailed = planning.plan_in_detail(site, spec())
    assert [file.path for file in detailed.planned.uploads] == ["iris.py"]
    assert detailed.objects.changes == ("start revision 1",)
    deploy(site, spec())
    unchanged = planning.plan_in_detail(site, spec())
    assert (unchanged.planned.action, unchanged.objects.changes) == (Action.NOTHING, ())
