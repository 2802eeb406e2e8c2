"""InferenceServices of ours against what each KServe that we support says an InferenceService is.

The cluster tests hold them against 0.20 as it runs. `schemas/extract.py` says where the definitions come from;
those of 0.17 and 0.19 are the same file.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from moorage.predictor import ServingTool
from moorage.serving.cluster.strategy import BESIDE, ONE_AFTER_THE_OTHER, ONE_BY_ONE
from moorage.serving.kserve.manifest import inference_service
from tests.serving.cluster.place import EVERYTHING, PLACE, a_cluster_revision

DEFINITIONS = sorted((Path(__file__).parent / "schemas").glob("*.json"))

# changes of the revision, how old pods give way, whether it runs, its share
SERVICES: dict[str, tuple[dict[str, Any], dict[str, Any], bool, int | None]] = {
    "the simplest": ({}, BESIDE, True, None),
    "stopped": ({}, BESIDE, False, None),
    "one after the other": ({}, ONE_AFTER_THE_OTHER, True, None),
    "one by one": ({"resources": {"instances": 3}}, ONE_BY_ONE, True, None),
    "every option": (EVERYTHING, BESIDE, True, None),
    "without a script": ({"artifact": {"version": 0}}, BESIDE, True, None),
    "to zero": ({"resources": {"instances": 0}}, BESIDE, True, None),
    "on trial": ({"resources": {"instances": 0}}, BESIDE, True, 20),
    "a transformer": ({"transformer": {}}, BESIDE, True, None),
    "a transformer that scales": ({"transformer": {"scaling": {"max_instances": 3}}}, BESIDE, True, None),
    "a transformer to zero": (
        {"resources": {"instances": 0}, "transformer": {"resources": {"instances": 0}}},
        BESIDE,
        True,
        None,
    ),
    "by requests": ({"scaling": {"min_instances": 0, "metric": "RPS", "retention_s": 300}}, BESIDE, True, None),
}


def closed(schema: Any) -> Any:
    """The same, where a field that is not named is a mistake: as the API server's strict validation has it."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    # "properties" may also be the name of a field, whose schema says its type
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found["additionalProperties"] = False
    return found


@pytest.fixture(params=DEFINITIONS, ids=[path.stem for path in DEFINITIONS])
def validator(request):
    return Draft202012Validator(closed(json.loads(request.param.read_text())))


def mistakes(validator, predictor):
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(predictor)]


@pytest.mark.parametrize(("changes", "strategy", "running", "share"), SERVICES.values(), ids=SERVICES.keys())
def test_every_kserve_that_we_support_takes_what_we_write(validator, changes, strategy, running, share):
    revision = a_cluster_revision(serving_tool=ServingTool.KSERVE, **changes)
    service = inference_service(revision, PLACE, strategy, running=running, share=share)
    assert mistakes(validator, service["spec"]["predictor"]) == []


WRONG = {
    "a field of another version": (lambda predictor: predictor.update(replicas=1), "'replicas' was unexpected"),
    "a wrong type": (lambda predictor: predictor.update(minReplicas="1"), "'1' is not of type 'integer'"),
    "deep inside": (
        lambda predictor: predictor["containers"][0]["readinessProbe"].update(period=1),
        "'period' was unexpected",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_it_would_not_take_is_found(validator, spoil, said):
    service = inference_service(a_cluster_revision(serving_tool=ServingTool.KSERVE), PLACE, BESIDE)
    predictor = copy.deepcopy(service["spec"]["predictor"])
    spoil(predictor)
    assert said in "\n".join(mistakes(validator, predictor))


def test_the_definitions_are_those_of_the_versions_that_the_docs_name():
    assert [path.stem for path in DEFINITIONS] == ["0.17-0.19", "0.20"]
