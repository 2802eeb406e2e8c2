"""What it takes to see that nothing changed: a hundred declared deployments of a hundred models, in a real S3 server.

    .venv/bin/python tests/benchmarks/reconcile_unchanged.py --deployments 100 --rounds 5

Counts reads and writes of the store, and times the plan from a cold start of the library's own objects. The serving
tool is scripted here: LOCAL reads files of this machine, and a cluster takes one list of each kind of object, whatever
the number of deployments.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import cast

sys.path.insert(0, str(Path(__file__).parents[2]))

import pytest

from moorage import planning, preparation, rollout
from moorage.deployment import DeploymentSpec
from moorage.planning import Action
from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.settings import Settings
from moorage.store import open_store
from moorage.store.base import ObjectStore
from tests.counting_store import CountingStore
from tests.scripted_backend import ScriptedBackend, ScriptedSite
from tests.seaweed import running_seaweed

_SCRIPT = "class Predictor:\n    def predict(self, inputs):\n        return inputs\n"
_BUCKET = "reconcile"


def prepare(site: ScriptedSite, folder: Path, number: int) -> DeploymentSpec:
    """Publishes a model and takes a deployment of it online, as a deploy does."""
    name = f"d{number}"
    (folder / name).write_text(str(number))
    (folder / f"{name}.py").write_text(_SCRIPT)
    site.registry.publish(name, ModelSource(path=str(folder / name)))
    spec = DeploymentSpec.model_validate(
        {
            "name": name,
            "model": {"name": name},
            "script_file": str(folder / f"{name}.py"),
            "smoke_test": {"requests": [{"inputs": [[1]]}]},
        }
    )
    model = preparation.register(site, spec.model)
    draft = preparation.draft_revision(site, spec, model, preparation.build_artifact_version(site, spec, model))
    revision = rollout.provision(site, draft).revision
    rollout.wait(site, revision)
    rollout.promote(site, revision)
    return spec


def main() -> None:
    """Prints reads, writes and the median of the seconds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--deployments", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running_seaweed())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        server.create_bucket(_BUCKET)
        for name, value in server.variables.items():
            patch.setenv(name, value)
        settings = Settings(home=folder / "home", store=f"s3://{_BUCKET}/team")
        site = ScriptedSite(settings, "ada@lovelace", scripted=ScriptedBackend())
        specs = [prepare(site, folder, number) for number in range(asked.deployments)]
        site.scripted.applied, site.scripted.serving = [1], 1
        seconds, counting = [], CountingStore(open_store(settings.store_url))
        for _ in range(asked.rounds):
            counting.reads = counting.writes = 0
            fresh = ScriptedSite(settings, "ada@lovelace", scripted=site.scripted)
            vars(fresh).update(store=counting, registry=Registry(cast("ObjectStore", counting), "default"))
            began = time.monotonic()
            planned = planning.plan_all(fresh, specs)
            seconds.append(time.monotonic() - began)
            assert {each.action for each in planned} == {Action.NOTHING}
    print("| declared, unchanged | reads | writes | seconds |\n| --- | --- | --- | --- |")
    print(f"| {len(specs)} | {counting.reads} | {counting.writes} | {statistics.median(seconds):.2f} |")


if __name__ == "__main__":
    main()
