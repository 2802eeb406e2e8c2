"""Rows of several requests in one call of predict: who gets which answer, when, and whose error it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from moorage.components import InferenceBatcher
from moorage.errors import CallerError, PredictorScriptError
from moorage.runtime.batching import AnswerTooLate, Batching
from moorage.startup import Cause


class Recorded:
    """A predictor that remembers the batches it was asked."""

    class_name, file = "Predictor", "predictor.py"

    def __init__(self, predict: Callable[[list[Any]], Any], pause_s: float = 0) -> None:
        self._predict = predict
        self._pause_s = pause_s
        self.asked: list[list[Any]] = []

    async def answer(self, body: Any) -> dict[str, Any]:
        self.asked.append(list(body["instances"]))
        await asyncio.sleep(self._pause_s)
        result = self._predict(body["instances"])
        return result if isinstance(result, dict) and "predictions" in result else {"predictions": result}


def doubled(rows: list[list[int]]) -> list[int]:
    return [row[0] * 2 for row in rows]


def ask(predictor: Recorded, *requests: Any, **batcher: Any) -> list[Any]:
    """The answers, or errors, of requests that are made at once."""

    async def together() -> list[Any]:
        batching = Batching(predictor, InferenceBatcher(enabled=True, **batcher))
        asked = (batching.answer({"instances": rows}) for rows in requests)
        return list(await asyncio.gather(*asked, return_exceptions=True))

    return asyncio.run(together())


def predictions(answers: list[Any]) -> list[Any]:
    return [answer["predictions"] for answer in answers]


def test_requests_made_at_once_are_one_batch_and_each_gets_its_own():
    predictor = Recorded(doubled)
    assert predictions(ask(predictor, [[1]], [[2], [3]], [[4]])) == [[2], [4, 6], [8]]
    assert predictor.asked == [[[1], [2], [3], [4]]]


def test_a_full_batch_does_not_wait():
    predictor = Recorded(doubled)
    answers = ask(predictor, [[1]], [[2]], [[3]], [[4]], max_batch_size=2, max_latency_ms=60_000)
    assert predictions(answers) == [[2], [4], [6], [8]]
    assert predictor.asked == [[[1], [2]], [[3], [4]]]


def test_no_batch_is_larger_but_for_a_request_that_is():
    predictor = Recorded(doubled)
    answers = ask(predictor, [[1], [2]], [[3], [4]], [[5], [6], [7], [8]], max_batch_size=3)
    assert predictions(answers) == [[2, 4], [6, 8], [10, 12, 14, 16]]
    assert [len(batch) for batch in predictor.asked] == [2, 2, 4]


def test_what_comes_later_is_the_next_batch():
    predictor = Recorded(doubled)

    async def one_after_another() -> None:
        batching = Batching(predictor, InferenceBatcher(enabled=True, max_latency_ms=1))
        assert await batching.answer({"instances": [[1]]}) == {"predictions": [2]}
        assert await batching.answer({"instances": [[2]]}) == {"predictions": [4]}

    asyncio.run(one_after_another())
    assert predictor.asked == [[[1]], [[2]]]


def test_nobody_gets_the_error_of_anothers_rows_nor_rows_that_were_changed():
    def picky(rows: list[Any]) -> list[Any]:
        popped = [row.pop() for row in rows]
        if 0 in popped:
            raise PredictorScriptError("a zero", cause=Cause.PREDICT_ERROR, file="predictor.py", line=3)
        return popped

    first, second, third = ask(Recorded(picky), [[1]], [[0]], [[2], [3]])
    assert (first, third) == ({"predictions": [1]}, {"predictions": [2, 3]})
    assert isinstance(second, PredictorScriptError)


@pytest.mark.parametrize(
    ("result", "said"),
    [([1], "returned 1 predictions for 2 rows"), ({"predictions": {"a": 1}}, "returned no list for 2 rows")],
)
def test_one_prediction_for_each_row_is_needed(result, said):
    [error] = ask(Recorded(lambda _: result), [[1], [2]])
    assert isinstance(error, PredictorScriptError)
    assert said in str(error)
    assert "leave inference_batcher out" in error.mend


def test_what_else_an_answer_says_goes_to_each():
    def named(rows: list[Any]) -> dict[str, Any]:
        return {"predictions": doubled(rows), "model": "iris"}

    assert ask(Recorded(named), [[1]], [[2]]) == [
        {"predictions": [2], "model": "iris"},
        {"predictions": [4], "model": "iris"},
    ]


def test_what_is_no_list_of_rows_is_asked_alone():
    predictor = Recorded(lambda rows: {"predictions": rows})
    assert ask(predictor, {"a": 1}, "text", []) == [
        {"predictions": {"a": 1}},
        {"predictions": "text"},
        {"predictions": []},
    ]


def test_who_asks_for_nothing_is_told_at_once():
    async def nothing() -> None:
        await Batching(Recorded(doubled), InferenceBatcher(enabled=True)).answer({"rows": 1})

    with pytest.raises(CallerError, match="neither 'instances' nor 'inputs'"):
        asyncio.run(nothing())


def test_an_answer_that_takes_too_long_is_given_up():
    late, too = ask(Recorded(doubled, pause_s=30), [[1]], [[2]], timeout_s=0.05)
    assert isinstance(late, AnswerTooLate)
    assert "no answer within 0.05 s" in str(too)


_SCRIPT = """
    import time
    class Predictor:
        def __init__(self):
            self.sizes = []
        def predict(self, inputs):
            if inputs == [["sizes"]]:
                return [self.sizes]
            if inputs[0] == ["late"]:
                time.sleep(2)
            self.sizes.append(len(inputs))
            return inputs if inputs[0] != ["sum"] else [len(inputs), 0, 0]
"""
_BATCHED = {"inference_batcher": {"enabled": True, "max_latency_ms": 500, "max_batch_size": 8, "timeout_s": 1}}


@pytest.fixture(scope="module")
def server(start_runtime):
    runtime = start_runtime(_SCRIPT, smoke_requests=[{"inputs": [[0]]}], **_BATCHED)
    runtime.until_ready()
    return runtime


def test_a_model_server_batches_what_its_callers_ask_at_once(server):
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda number: server.ask([[number]]), range(8)))
    assert [answer.json()["predictions"] for answer in answers] == [[[number]] for number in range(8)]
    assert all(answer.headers["moorage-revision"] == "3" for answer in answers)
    assert max(server.ask([["sizes"]]).json()["predictions"][0]) > 1


def test_its_errors_have_the_status_of_errors(server):
    assert server.ask([["sum"]]).status_code == 500
    answer = server.ask([["late"]])
    assert (answer.status_code, answer.json()["error"]) == (504, "There was no answer within 1 s.")


def test_a_script_that_cannot_be_batched_never_goes_online(start_runtime):
    runtime = start_runtime(_SCRIPT, smoke_requests=[{"inputs": [["sum"]]}], **_BATCHED)
    assert runtime.ended() == 1
    failure = runtime.report().failure
    assert failure is not None
    assert "returned 3 predictions for 1 row." in failure.message
