from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moorage.deployment import SmokeRequest
from moorage.errors import CallerError, PredictorScriptError
from moorage.runtime.loader import load_predictor
from moorage.runtime.proof import prove
from moorage.startup import Cause


@pytest.fixture(autouse=True)
def _import_path() -> Iterator[None]:
    path, hooks = list(sys.path), list(sys.path_hooks)
    yield
    sys.path[:] = path
    sys.path_hooks[:] = hooks


def prove_script(folder: Path, predict: str, *requests: SmokeRequest, timeout_s: float = 10) -> None:
    script = folder / "predictor.py"
    script.write_text(f"class Predictor:\n{predict}\n")
    asyncio.run(prove(load_predictor(script), requests, timeout_s=timeout_s))


_ECHO = "    def predict(self, inputs): return inputs"


def test_right_answers_prove_a_predictor(tmp_path):
    prove_script(tmp_path, _ECHO, SmokeRequest(inputs=[[1]], expect=[[1.0]]), SmokeRequest(inputs=["anything"]))


def test_no_requests_prove_nothing_and_pass(tmp_path):
    prove_script(tmp_path, "    def predict(self, inputs): 1 / 0")


def test_a_wrong_answer_is_told_with_the_number_of_the_request(tmp_path):
    said = r"Smoke request 2 was answered wrongly: predictions\[0\]\[0\]: expected 2, got 1"
    requests = SmokeRequest(inputs=[[1]], expect=[[1]]), SmokeRequest(inputs=[[1]], expect=[[2]])
    with pytest.raises(PredictorScriptError, match=said) as caught:
        prove_script(tmp_path, _ECHO, *requests)
    assert caught.value.cause == Cause.WRONG_ANSWER


def test_a_whole_body_is_asked_as_it_is(tmp_path):
    prove_script(tmp_path, _ECHO, SmokeRequest(data={"instances": [{"a": 1}]}, expect=[{"a": 1}]))


def test_an_exception_in_predict_is_its_own_verdict(tmp_path):
    with pytest.raises(PredictorScriptError, match="ZeroDivisionError") as caught:
        prove_script(tmp_path, "    def predict(self, inputs): 1 / 0", SmokeRequest(inputs=[[1]]))
    assert (caught.value.cause, caught.value.line) == (Cause.PREDICT_ERROR, 2)


@pytest.mark.parametrize(
    "predict",
    [
        "    def predict(self, inputs): __import__('threading').Event().wait()",
        "    async def predict(self, inputs): await __import__('asyncio').Event().wait()",
    ],
    ids=["plain", "async"],
)
def test_a_predict_that_never_answers_is_out_of_time(tmp_path, predict):
    with pytest.raises(PredictorScriptError, match=r"did not answer smoke request 1 within 0\.05 s") as caught:
        prove_script(tmp_path, predict, SmokeRequest(inputs=[[1]]), timeout_s=0.05)
    assert caught.value.cause == Cause.PREDICT_ERROR


def test_each_request_has_rows_of_its_own(tmp_path):
    request = SmokeRequest(inputs=[{"features": [1]}], expect=[1])
    prove_script(tmp_path, "    def predict(self, inputs): return inputs[0].pop('features')", request, request)
    assert request.inputs == [{"features": [1]}]


def test_a_request_that_cannot_be_asked_is_the_specifications_fault(tmp_path):
    with pytest.raises(CallerError, match="inputs is an int"):
        prove_script(tmp_path, _ECHO, SmokeRequest(inputs=5))
