"""Rows of several requests, predicted in one call: an inference batcher inside the model server.

KServe's own stands before the model server, answers an error as if all were well, and drops the headers.
https://kserve.github.io/website/docs/model-serving/predictive-inference/batcher
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from moorage.components import InferenceBatcher
from moorage.errors import PredictorScriptError
from moorage.inference.protocol import inputs_of, predictions_of
from moorage.runtime.loaded import Answers
from moorage.startup import Cause


class AnswerTooLate(Exception):
    """The batch of a request was not answered in time. It may still be: only nobody waits for it any more."""


@dataclass(frozen=True)
class _Waiting:
    """The rows of one request, and whoever waits for their answer."""

    rows: Sequence[Any]
    outcome: asyncio.Future[dict[str, Any]]


class Batching:
    """A predictor behind an inference batcher; all of it happens on one event loop.

    A batch goes off once it is full, or once its first rows have waited long enough. When it fails, each of its
    requests is asked alone, so that nobody gets the error of another's rows.
    """

    def __init__(self, predictor: Answers, batcher: InferenceBatcher, *, rows_are_all: bool = True) -> None:
        self._predictor = predictor
        self._rows_are_all = rows_are_all
        self._batcher = batcher
        self._gathered: list[_Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._asked: set[asyncio.Task[None]] = set()

    @property
    def class_name(self) -> str:
        return self._predictor.class_name

    @property
    def file(self) -> str:
        return self._predictor.file

    async def answer(self, body: Any) -> dict[str, Any]:
        """The body of the answer to a request's body, whose rows may have been predicted with those of others.

        What is no list of rows is asked alone.

        Raises:
            CallerError: the body holds nothing to predict from.
            PredictorScriptError: `predict` failed, or gave no prediction for each row.
            AnswerTooLate: it took longer than the batcher's timeout.
        """
        rows = inputs_of(body)
        is_more = not self._rows_are_all and body.keys() != {"instances"}
        if is_more or not isinstance(rows, list) or not rows:
            return await self._predictor.answer(body)
        waiting = _Waiting(rows, asyncio.get_running_loop().create_future())
        self._gather(waiting)
        try:
            return await asyncio.wait_for(waiting.outcome, self._batcher.timeout_s)
        except TimeoutError:
            raise AnswerTooLate(f"There was no answer within {self._batcher.timeout_s:g} s.") from None

    def _gather(self, waiting: _Waiting) -> None:
        most = self._batcher.max_batch_size
        if self._gathered and self._size() + len(waiting.rows) > most:
            self._send()
        self._gathered.append(waiting)
        if self._size() >= most:
            self._send()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._batcher.max_latency_ms / 1000, self._send)

    def _size(self) -> int:
        return sum(len(waiting.rows) for waiting in self._gathered)

    def _send(self) -> None:
        batch, self._gathered = self._gathered, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        task = asyncio.get_running_loop().create_task(self._ask(batch))
        # a task that nobody holds may be collected while it runs
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def _ask(self, batch: list[_Waiting]) -> None:
        batch = [waiting for waiting in batch if not waiting.outcome.done()]
        if len(batch) < 2:
            for waiting in batch:
                await self._ask_alone(waiting)
            return
        # predict may change what it is given
        kept = [orjson.dumps(waiting.rows) for waiting in batch]
        try:
            answers = await self._answers(batch)
        except Exception:  # noqa: BLE001 - whoever is to blame for it gets it again, alone
            for waiting, rows in zip(batch, kept, strict=True):
                await self._ask_alone(_Waiting(orjson.loads(rows), waiting.outcome))
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                _settle(waiting, answer)

    async def _ask_alone(self, waiting: _Waiting) -> None:
        if waiting.outcome.done():
            return
        try:
            [answer] = await self._answers([waiting])
        except Exception as exc:  # noqa: BLE001 - raised again where it is awaited
            if not waiting.outcome.done():
                waiting.outcome.set_exception(exc)
        else:
            _settle(waiting, answer)

    async def _answers(self, batch: Sequence[_Waiting]) -> list[dict[str, Any]]:
        rows = [row for waiting in batch for row in waiting.rows]
        asked = len(rows)
        answer = await self._predictor.answer({"instances": rows})
        predictions = predictions_of(answer)
        if not isinstance(predictions, list) or len(predictions) != asked:
            raise self._not_one_for_each(predictions, asked)
        shares, start = [], 0
        for waiting in batch:
            end = start + len(waiting.rows)
            shares.append(answer | {"predictions": predictions[start:end]})
            start = end
        return shares

    def _not_one_for_each(self, predictions: Any, asked: int) -> PredictorScriptError:
        many = f"{len(predictions)} predictions" if isinstance(predictions, list) else "no list"
        who = f"{self.class_name}.predict" if self.file else self.class_name
        mend = f"Let predict in {self.file} return a list with one entry a row, or leave" if self.file else "Leave"
        return PredictorScriptError(
            f"{who} returned {many} for {asked} {'row' if asked == 1 else 'rows'}.",
            "With an inference batcher, one prediction for each row tells whose it is.",
            f"{mend} inference_batcher out.",
            cause=Cause.PREDICT_ERROR,
            file=self.file,
            line=None,
        )


def _settle(waiting: _Waiting, answer: dict[str, Any]) -> None:
    if not waiting.outcome.done():
        waiting.outcome.set_result(answer)
