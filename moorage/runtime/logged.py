"""A predictor whose exchanges are logged."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson

from moorage.components import LogMode
from moorage.errors import CallerError
from moorage.inference.protocol import INFERENCE_ID_HEADER
from moorage.inference_log.record import Exchange
from moorage.runtime.batching import AnswerTooLate
from moorage.runtime.loaded import Answers
from moorage.runtime.remote import PredictorFailed, answered_by


class Logged:
    """Answers as what it is made of does; each request and its answer, an error too, is handed to the log.

    Args:
        answering: what answers.
        put: takes an exchange, at once and without fail.
        mode: which half of it is logged; the other one is not even written down.
    """

    def __init__(self, answering: Answers, put: Callable[[Exchange], None], mode: LogMode) -> None:
        self._answering = answering
        self._put = put
        self._mode = mode

    @property
    def class_name(self) -> str:
        return self._answering.class_name

    @property
    def file(self) -> str:
        return self._answering.file

    async def answer(self, body: Any) -> dict[str, Any]:
        """As what it is made of; the answer's headers say under which id both were logged."""
        inference_id, at_ms = uuid.uuid4().hex, time.time_ns() // 1_000_000
        # now: the script may change it
        request = self._half(body, LogMode.MODEL_INPUTS)
        try:
            answer = await self._answering.answer(body)
        except Exception as exc:
            said = self._half({"error": str(exc)}, LogMode.PREDICTIONS)
            self._put(Exchange(inference_id, at_ms, _status_of(exc), request, said))
            raise
        self._put(Exchange(inference_id, at_ms, HTTPStatus.OK, request, self._half(answer, LogMode.PREDICTIONS)))
        answered_by.set({INFERENCE_ID_HEADER: inference_id})
        return answer

    def _half(self, body: Any, mode: LogMode) -> str:
        return orjson.dumps(body, default=_base64).decode() if self._mode in (LogMode.ALL, mode) else ""


def _status_of(exc: Exception) -> int:
    """As the server answers it."""
    if isinstance(exc, CallerError):
        return HTTPStatus.BAD_REQUEST
    if isinstance(exc, PredictorFailed):
        return exc.status
    return HTTPStatus.GATEWAY_TIMEOUT if isinstance(exc, AnswerTooLate) else HTTPStatus.INTERNAL_SERVER_ERROR


def _base64(value: Any) -> str:
    """Bytes that are no text: only gRPC brings them."""
    return base64.b64encode(value).decode()
