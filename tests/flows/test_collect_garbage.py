"""Garbage collection as a flow on a real Prefect server, and as a person types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_API_URL
from prefect.utilities.callables import parameter_schema

from flows.collect_garbage import collect_garbage
from moorage.errors import NotFound
from moorage.registry.garbage import FreedBecause
from tests.scripted_backend import publish

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def full(site, tmp_path):
    """A site with three versions of a model, the first of which has an alias."""
    publish(site, tmp_path, versions=3, model="iris")
    site.registry.references("iris").move_aliases({"champion": 1})
    return site


def left(site):
    return [model.version for model in site.registry.versions("iris")]


def artifact(key="collect-garbage"):
    found = Artifact.get(key)
    assert found is not None
    return found


def test_versions_beyond_those_to_keep_are_freed_and_the_table_says_so(full):
    [freed] = collect_garbage(keep=1).collected.freed
    assert (freed.version, freed.because, left(full)) == (2, FreedBecause.BEYOND_KEPT, [3, 1])
    assert artifact().description == f"1 version, 2 files, {freed.size} B freed"
    assert '"why": "beyond kept"' in str(artifact().data)


def test_a_dry_run_says_the_same_and_frees_nothing(full):
    foreseen = collect_garbage(keep=1, dry_run=True)
    assert left(full) == [3, 2, 1]
    assert "would be freed" in artifact().description
    assert collect_garbage(keep=1).collected.freed == foreseen.collected.freed


def test_where_there_is_nothing_to_free_the_table_says_that(site):
    assert collect_garbage().headline == "nothing to free"
    assert artifact().description == "nothing to free"


def test_a_model_that_never_was_is_told(full):
    with pytest.raises(NotFound, match=r"no model 'rises'.*It has 'iris'"):
        collect_garbage(model="rises")


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"lease_s": -1}], ids=["nothing to keep", "a lease before now"])
def test_what_is_out_of_bounds_is_refused_by_the_form(full, wrong):
    with pytest.raises(ParameterTypeError, match="greater than or equal to"):
        collect_garbage(**wrong)


def test_a_run_is_named_for_what_it_does(full):
    collect_garbage(model="iris", dry_run=True)
    with get_client(sync_client=True) as client:
        [run] = client.read_flow_runs(limit=1, sort=FlowRunSort.EXPECTED_START_TIME_DESC)
    assert run.name == "collect-garbage-iris-dry-run"


def test_the_form_has_these_parameters():
    schema = parameter_schema(collect_garbage)
    assert list(schema.properties) == ["keep", "dry_run", "model", "lease_s", "needs_approval"]
    assert schema.required == []
    assert all(field["description"] for field in schema.properties.values())


def run(*arguments):
    """Exit code, standard output, standard error of the command."""
    command = [sys.executable, "-m", "flows", "collect-garbage", *arguments]
    environ = {**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_command_shows_what_would_be_freed_and_then_frees_it(full):
    code, out, err = run("--keep", "1", "--dry-run")
    assert (code, err, left(full)) == (0, "", [3, 2, 1])
    table = out.splitlines()[:3]
    assert [" ".join(line.split()) for line in table] == [
        "MODEL VERSION WHY FILES SIZE",
        "iris 2 beyond kept 2 7 B",
        "total 2 7 B",
    ]
    assert out.endswith("This was a dry run: nothing was changed.\n")
    code, out, err = run("--keep", "1", "--model", "iris")
    assert (code, err, left(full), out.splitlines()[:3]) == (0, "", [3, 1], table)


def test_the_command_tells_what_is_wrong_in_a_sentence(full):
    code, _, err = run("--model", "rises")
    assert (code, err.startswith("Error: There is no model 'rises'"), "Traceback" in err) == (1, True, False)


def test_the_command_looks_at_the_project_that_is_named(full):
    code, out, _ = run("--project", "team_a", "--keep", "1")
    assert (code, out, left(full)) == (0, "nothing to free\n", [3, 2, 1])
