"""A transformer and its predictor as two model servers: what passes through, and what is proven before."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from moorage.startup import Cause
from tests.values import a_notebook

PREDICTOR = """
    class Predictor:
        def predict(self, inputs):
            if inputs == [["late"]]:
                raise ValueError("no such row")
            return [row[0] * 2 for row in inputs]
"""
TRANSFORMER = """
    import os
    class Transformer:
        def __init__(self):
            self.offset = int(os.environ["OFFSET"])
        def preprocess(self, inputs):
            rows = inputs["instances"]
            return {"instances": [[row["value"] + self.offset] if isinstance(row, dict) else row for row in rows]}
        def postprocess(self, outputs):
            return [{"doubled": each} for each in outputs]
"""
OF_IT: dict[str, Any] = {
    "artifact": {
        "version": 1,
        "digest": "sha256:bb",
        "script_file": "predictor.py",
        "transformer_file": "transformer.py",
    },
    "transformer": {"env_vars": [{"name": "OFFSET", "value": "10"}]},
    "smoke_requests": [{"inputs": [{"value": 1}], "expect": [{"doubled": 22}]}],
}
IN_THE_PREDICTOR = {"MOORAGE_OF_THE_TRANSFORMER_OFFSET": "10"}


@pytest.fixture(scope="module")
def predictor(start_runtime):
    runtime = start_runtime(PREDICTOR, files={"transformer.py": TRANSFORMER}, variables=IN_THE_PREDICTOR, **OF_IT)
    runtime.until_ready()
    return runtime


@pytest.fixture(scope="module")
def transformer(start_runtime, predictor):
    variables = {"MOORAGE_COMPONENT": "transformer", "MOORAGE_PREDICTOR_URL": predictor.url, "OFFSET": "10"}
    runtime = start_runtime(None, files={"transformer.py": TRANSFORMER}, variables=variables, **OF_IT | {"number": 4})
    runtime.until_ready()
    return runtime


def test_a_request_passes_through_both(transformer):
    answer = transformer.ask([{"value": 1}, {"value": 2}])
    assert answer.json() == {"predictions": [{"doubled": 22}, {"doubled": 24}]}


def test_the_answer_says_which_predictor_gave_it(transformer):
    assert transformer.ask([{"value": 1}]).headers.get_list("moorage-revision") == ["3"]
    with transformer.client() as client:
        assert client.get("/v1/models/iris").headers["moorage-revision"] == "4"


def test_the_predictor_is_asked_as_it_is(predictor):
    assert predictor.ask([[21]]).json() == {"predictions": [42]}


def test_an_error_is_told_as_whose_it_is(transformer):
    answer = transformer.ask([["late"]])
    assert answer.status_code == 500
    assert "The predictor answered 500: ValueError: no such row" in answer.text
    assert "transformer.py, line 8" in transformer.ask([{"wrong": 1}]).json()["error"]
    with transformer.client() as client:
        assert client.post("/v1/models/iris:predict", json={"rows": 1}).status_code == 400


def test_a_predictor_that_is_away_is_told_so(start_runtime):
    variables = {"MOORAGE_COMPONENT": "transformer", "MOORAGE_PREDICTOR_URL": "http://127.0.0.1:9", "OFFSET": "1"}
    runtime = start_runtime(None, files={"transformer.py": TRANSFORMER}, variables=variables, **OF_IT)
    answer = runtime.ask([{"value": 1}])
    assert (answer.status_code, "The predictor did not answer" in answer.text) == (503, True)


def test_a_predictor_is_proven_together_with_a_transformer_in_a_notebook(start_runtime):
    files = {"transformer.ipynb": a_notebook("%load_ext autoreload", textwrap.dedent(TRANSFORMER))}
    artifact = OF_IT["artifact"] | {"transformer_file": "transformer.ipynb"}
    start_runtime(PREDICTOR, files=files, variables=IN_THE_PREDICTOR, **OF_IT | {"artifact": artifact}).until_ready()


UNFIT = TRANSFORMER.replace('"doubled": each', '"doubled": each + 1')


def test_a_predictor_whose_transformer_does_not_fit_never_goes_online(start_runtime):
    runtime = start_runtime(PREDICTOR, files={"transformer.py": UNFIT}, variables=IN_THE_PREDICTOR, **OF_IT)
    assert runtime.ended() == 1
    assert runtime.report().failure.cause == Cause.WRONG_ANSWER


def test_a_transformer_that_cannot_ask_anything_never_goes_online(start_runtime):
    broken = TRANSFORMER.replace('return {"instances"', 'return {"rows"')
    variables = {"MOORAGE_COMPONENT": "transformer", "MOORAGE_PREDICTOR_URL": "http://127.0.0.1:9", "OFFSET": "1"}
    runtime = start_runtime(None, files={"transformer.py": broken}, variables=variables, **OF_IT)
    assert runtime.ended() == 1
    failure = runtime.report().failure
    assert (failure.cause, failure.file, failure.line) == (Cause.PREDICT_ERROR, "transformer.py", 6)
