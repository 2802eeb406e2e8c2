"""Any specification comes back the same from YAML, from JSON, from the form, and from the revision that it became."""

import json
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from prefect.utilities.callables import parameter_schema

from flows.deploy_model import deploy_model
from moorage.components import ApiProtocol, LogMode
from moorage.declaration import parse_specification, read_specification
from moorage.deployment import DeploymentSpec, OnFailure, Strategy
from moorage.deployment_schema import yaml_schema
from moorage.predictor import ModelServer, ServingTool
from moorage.resources import ScaleMetric

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
WORD = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,20}", fullmatch=True)
PATH = WORD.map("folder/{}.py".format)
ROWS = st.lists(st.lists(st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | TEXT, min_size=1), min_size=1, max_size=3)


def maybe(**parts: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """Any of these options, each there or not."""
    return st.fixed_dictionaries({}, optional=parts)


RESOURCES = maybe(
    instances=st.integers(0, 5),
    requests=maybe(cores=st.floats(0.01, 8), memory_mb=st.integers(4, 9999), gpus=st.integers(0, 4)),
    limits=maybe(cores=st.floats(1, 9), memory_mb=st.integers(-1, 9999)),
    shared_memory_mb=st.integers(1, 999),
)
SCALING = maybe(
    min_instances=st.integers(0, 3),
    max_instances=st.integers(1, 9),
    metric=st.sampled_from(list(map(str, ScaleMetric))),
    target=st.integers(1, 500),
    retention_s=st.integers(0, 60),
    stable_window_s=st.integers(6, 3600),
    panic_window_percent=st.floats(1, 100),
    panic_threshold_percent=st.floats(110, 1000),
)
ROLLOUT = maybe(
    on_failure=st.sampled_from(list(map(str, OnFailure))),
    ready_timeout_s=st.floats(1, 600),
    strategy=st.sampled_from(list(map(str, Strategy))),
    canary_percent=st.integers(1, 99),
    take_over=st.booleans(),
)
SMOKE_TEST = maybe(
    requests=st.lists(
        st.fixed_dictionaries({"inputs": ROWS}, optional={"expect": ROWS, "tolerance": st.floats(0, 1)}), max_size=2
    ),
    timeout_s=st.floats(1, 60),
)
PLACEMENT = maybe(
    node_selector=st.dictionaries(WORD, WORD, max_size=2),
    tolerations=st.lists(st.fixed_dictionaries({"key": WORD}, optional={"value": WORD}), max_size=2),
)
SECRET = st.fixed_dictionaries({"secret": WORD.map(str.lower)}, optional={"key": WORD})
BATCHER = st.fixed_dictionaries(
    {"enabled": st.booleans()},
    optional={
        "max_batch_size": st.integers(1, 1000),
        "max_latency_ms": st.integers(1, 60_000),
        "timeout_s": st.floats(0.5, 60),
    },
)
LOGGER = maybe(
    mode=st.sampled_from(list(map(str, LogMode))),
    kafka_topic=WORD | maybe(name=WORD, partitions=st.integers(1, 99), replicas=st.integers(1, 9)),
)
DECLARED = st.fixed_dictionaries(
    {"name": WORD, "model": st.fixed_dictionaries({"name": WORD}, optional={"version": st.integers(1, 99) | WORD})},
    optional={
        "description": TEXT,
        "model_server": st.sampled_from(list(map(str, ModelServer))),
        "serving_tool": st.sampled_from(list(map(str, ServingTool))),
        "script_file": PATH,
        "config_file": PATH,
        "further_files": st.lists(PATH, max_size=2),
        "environment": WORD.map("{}-inference-pipeline".format).map(str.lower),
        "artifact_version": st.integers(0, 9),
        "env_vars": st.dictionaries(WORD, TEXT | SECRET, max_size=3),
        "resources": RESOURCES,
        "scaling": SCALING,
        "queue": WORD.map(str.lower),
        "placement": PLACEMENT,
        "inference_batcher": BATCHER,
        "inference_logger": LOGGER | st.sampled_from(list(map(str, LogMode))),
        "api_protocol": st.sampled_from(list(map(str, ApiProtocol))),
        "transformer": maybe(script_file=PATH, resources=RESOURCES, scaling=SCALING),
        "rollout": ROLLOUT,
        "smoke_test": SMOKE_TEST,
    },
)
FORM = Draft202012Validator(parameter_schema(deploy_model).model_dump_for_openapi())
EDITOR = Draft202012Validator(yaml_schema())


@given(DECLARED)
def test_from_yaml_to_an_object_and_back(tmp_path_factory, declared):
    path = tmp_path_factory.mktemp("declared") / "one.yaml"
    path.write_text(yaml.safe_dump(declared, allow_unicode=True), encoding="utf-8")
    spec = read_specification(path)
    assert EDITOR.is_valid(declared)
    again = spec.model_dump(mode="json", exclude_defaults=True)
    path.write_text(yaml.safe_dump(again, allow_unicode=True), encoding="utf-8")
    assert read_specification(path) == spec


@given(DECLARED)
def test_from_python_to_json_to_the_form_to_the_same_object(declared):
    spec = parse_specification(declared, "one")
    as_json = json.loads(spec.model_dump_json())
    assert FORM.is_valid({"spec": as_json})
    assert deploy_model.validate_parameters({"spec": as_json})["spec"] == spec
    assert DeploymentSpec.model_validate_json(json.dumps(as_json)) == spec


def test_what_is_declared_here_is_among_them():
    for file in sorted((Path(__file__).parents[1] / "deployments" / "models").glob("*.yaml")):
        spec = read_specification(file)
        assert DeploymentSpec.model_validate_json(spec.model_dump_json()) == spec
