"""The nouns: what they refuse, and what tells two revisions apart."""

import pytest
from pydantic import ValidationError

from moorage.deployment import (
    DeploymentSpec,
    ResolvedArtifact,
    ResolvedModel,
    Rollout,
    SmokeRequest,
    digest_of,
    taken_over,
)
from moorage.predictor import EnvVar, Framework, LocalOptions, ModelServer, ServingTool
from tests.values import a_revision, a_spec

MODEL = ResolvedModel(name="iris_classifier", version=1, digest="sha256:aa", framework=Framework.SKLEARN)

SAME_RUN = {
    "another number": {"number": 7},
    "more patience": {"rollout": Rollout(ready_timeout_s=5)},
    "kept on failure": {"rollout": Rollout(on_failure="KEEP")},
    "more patience for each request": {"smoke_timeout_s": 5},
}

ANOTHER_RUN = {
    "model files": {"model": MODEL.model_copy(update={"digest": "sha256:cc"})},
    "model version": {"model": MODEL.model_copy(update={"version": 2})},
    "artifact files": {"artifact": ResolvedArtifact(version=1, digest="sha256:dd", script_file="predictor.py")},
    "artifact version": {"artifact": ResolvedArtifact(version=2, digest="sha256:bb", script_file="predictor.py")},
    "project": {"project": "other"},
    "deployment": {"deployment": "roses"},
    "model server": {"model_server": ModelServer.VLLM},
    "serving tool": {"serving_tool": ServingTool.KSERVE},
    "environment": {"environment": "my-inference-pipeline"},
    "variables": {"env_vars": (EnvVar(name="A", value="1"),)},
    "port": {"local": LocalOptions(port=8080)},
    "host": {"local": LocalOptions(host="0.0.0.0")},  # noqa: S104 -- a value, nothing is bound
    "what is asked": {"smoke_requests": (SmokeRequest(inputs=[[1]]),)},
}


@pytest.mark.parametrize("change", SAME_RUN.values(), ids=SAME_RUN.keys())
def test_a_revision_that_runs_the_same_has_the_same_digest(change):
    assert a_revision(**{"number": 1, **change}).digest == a_revision().digest


@pytest.mark.parametrize("change", ANOTHER_RUN.values(), ids=ANOTHER_RUN.keys())
def test_a_revision_that_runs_something_else_has_another_digest(change):
    assert a_revision(**change).digest != a_revision().digest


@pytest.mark.parametrize("change", [{"expect": [2]}, {"tolerance": 0.5}], ids=["expectation", "tolerance"])
def test_a_revision_that_is_proven_otherwise_has_another_digest(change):
    asked = a_revision(smoke_requests=(SmokeRequest(inputs=[[1]]),))
    assert a_revision(smoke_requests=(SmokeRequest(inputs=[[1]], **change),)).digest != asked.digest


def test_the_order_of_keys_does_not_change_the_digest():
    one = a_revision(smoke_requests=(SmokeRequest(data={"instances": [{"a": 1, "b": 2}], "id": "x"}),))
    other = a_revision(smoke_requests=(SmokeRequest(data={"id": "x", "instances": [{"b": 2, "a": 1}]}),))
    assert one.digest == other.digest


def test_a_digest_outlives_the_way_through_json():
    revision = a_revision(smoke_requests=(SmokeRequest(inputs=((1, 2.5), ("é", None))),))
    assert type(revision).model_validate_json(revision.model_dump_json()).digest == revision.digest


def test_a_digest_is_the_sha_256_of_canonical_json():
    # printf '{"a":"é","b":[1]}' | sha256sum
    assert digest_of({"b": [1], "a": "é"}) == (
        "sha256:fe44b490e297c0523c2a1ce591fc7b3b064b5ad3f2ac4634523685392680de5d"
    )


@pytest.mark.parametrize("noun", [a_spec(), a_revision(), MODEL], ids=lambda noun: type(noun).__name__)
def test_nouns_do_not_change(noun):
    with pytest.raises(ValidationError, match="Instance is frozen"):
        noun.name = "other"


@pytest.mark.parametrize("given", [{}, {"inputs": [[1]], "data": {"instances": [[1]]}}], ids=["neither", "both"])
def test_a_smoke_request_is_exactly_one_of_inputs_and_data(given):
    with pytest.raises(ValidationError, match="give exactly one of inputs and data"):
        SmokeRequest(**given)


@pytest.mark.parametrize("given", [{"inputs": 0}, {"inputs": []}, {"data": {}}], ids=str)
def test_a_smoke_request_of_something_empty_is_something(given):
    assert SmokeRequest(**given).model_dump(exclude_none=True).items() >= given.items()


OUT_OF_BOUNDS = {
    "negative tolerance": {"smoke_test": {"requests": [{"inputs": [[1]], "tolerance": -1}]}},
    "no time for a request": {"smoke_test": {"timeout_s": 0}},
    "endless request": {"smoke_test": {"timeout_s": 601}},
    "no time to be ready": {"rollout": {"ready_timeout_s": 0}},
    "never ready": {"rollout": {"ready_timeout_s": 86_401}},
    "never is no number": {"rollout": {"ready_timeout_s": "inf"}},
    "port 0": {"local": {"port": 0}},
    "host with a path": {"local": {"host": "localhost/x"}},
    "empty host": {"local": {"host": ""}},
    "negative artifact version": {"artifact_version": -1},
    "model version 0": {"model": {"name": "m", "version": 0}},
    "model version below 0, as text": {"model": {"name": "m", "version": "-1"}},
    "no model version": {"model": {"name": "m", "version": ""}},
    "model version in two words": {"model": {"name": "m", "version": "the best"}},
    "model version that is yes or no": {"model": {"name": "m", "version": True}},
    "model version between two": {"model": {"name": "m", "version": 1.5}},
    "name too long for DNS": {"name": "a" * 64},
    "environment that leaves its folder": {"environment": "../mine-inference-pipeline"},
    "variable with a NUL": {"env_vars": {"A": "\0"}},
    "variable with '=' in its name": {"env_vars": {"A=B": "x"}},
    "variable with a newline in its name": {"env_vars": {"A\n": "x"}},
    "variable given twice": {"env_vars": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
    "unknown field": {"replicas": 3},
}


@pytest.mark.parametrize("change", OUT_OF_BOUNDS.values(), ids=OUT_OF_BOUNDS.keys())
def test_a_specification_is_refused_beyond_its_bounds(change):
    field = next(iter(change))
    with pytest.raises(ValidationError) as refused:
        a_spec(**change)
    assert {error["loc"][0] for error in refused.value.errors()} == {field}


VERSIONS = [(3, 3), ("3", 3), ("latest", "latest"), ("Latest", "latest"), ("champion", "champion"), ("v1.2", "v1.2")]


@pytest.mark.parametrize(("given", "read"), VERSIONS, ids=repr)
def test_a_model_version_is_a_number_latest_or_an_alias(given, read):
    assert a_spec(model={"name": "m", "version": given}).model.version == read


def test_the_numbers_of_revisions_begin_with_one():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        a_revision(0)


def test_only_loopback_is_listened_on_unless_said_otherwise():
    assert a_spec().local.host == "127.0.0.1"


SERVERS = {
    Framework.PYTHON: ModelServer.PYTHON,
    Framework.SKLEARN: ModelServer.PYTHON,
    Framework.TORCH: ModelServer.PYTHON,
    Framework.TENSORFLOW: ModelServer.TENSORFLOW_SERVING,
    Framework.LLM: ModelServer.VLLM,
}


@pytest.mark.parametrize("framework", Framework)
def test_each_framework_has_its_model_server(framework):
    assert ModelServer.for_framework(framework) is SERVERS[framework]


def test_every_option_is_taken_over_or_resolved():
    resolved = {"name", "model", "model_server", "artifact_version", "script_file", "config_file", "further_files"}
    known = resolved | {"environment", "smoke_test", "description", "transformer"}
    assert DeploymentSpec.model_fields.keys() - taken_over(a_spec()).keys() == known
