"""Asks a new revision its smoke requests before any user can reach it."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from moorage.deployment import SmokeRequest
from moorage.errors import CallerError, PredictorScriptError
from moorage.inference.comparison import difference
from moorage.inference.dialect import V1, Dialect
from moorage.runtime.loaded import Answers
from moorage.runtime.remote import PredictorFailed
from moorage.startup import Cause

# Seconds that the event loop has to notice by itself that a request is out of time.
_NOTICE_S: Final = 1


async def prove(
    predictor: Answers,
    requests: Sequence[SmokeRequest],
    *,
    dialect: Dialect = V1,
    name: str = "",
    timeout_s: float,
    on_blocked: Callable[[PredictorScriptError], object] | None = None,
) -> None:
    """Returns when every request was answered as expected.

    Run it on the event loop that will serve: an async predictor may keep what it opened at its first request.

    Args:
        dialect: what the model server speaks.
        name: of the model deployment, which some requests say.
        timeout_s: seconds for each request.
        on_blocked: called in another thread when an async `predict` keeps the loop itself from noticing that it is out
            of time. Only ending the process helps then.

    Raises:
        PredictorScriptError: the first request that was answered wrongly, too late or with an exception.
    """
    for number, request in enumerate(requests, start=1):
        late = _out_of_time(predictor, number, timeout_s)
        with _watched(late, timeout_s + _NOTICE_S, on_blocked):
            # predict may change what it is given, and the same rows may be asked again
            body = copy.deepcopy(dialect.body(name, request.inputs, request.data))
            answer = await _asked(predictor, body, number, timeout_s, late)
        if request.expect is not None:
            _compare(predictor, request, number, dialect.said(answer))


@contextmanager
def _watched(
    late: PredictorScriptError, after_s: float, on_blocked: Callable[[PredictorScriptError], object] | None
) -> Iterator[None]:
    if on_blocked is None:
        yield
        return
    timer = threading.Timer(after_s, on_blocked, (late,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


async def _asked(predictor: Answers, body: Any, number: int, timeout_s: float, late: PredictorScriptError) -> Any:
    try:
        answer = await asyncio.wait_for(predictor.answer(body), timeout_s)
    except TimeoutError as exc:
        raise late from exc
    except (CallerError, PredictorFailed) as exc:
        refused = f"Smoke request {number} was refused: {exc}"
        raise _unfit(predictor, refused, "Expected every smoke request to be answered.") from exc
    try:
        # as a caller will read it
        return json.loads(json.dumps(answer, allow_nan=False))
    except ValueError as exc:
        raise _unfit(
            predictor, f"Smoke request {number} was answered with NaN or Infinity.", "JSON has no words for these."
        ) from exc


def _unfit(predictor: Answers, what: str, expected: str) -> PredictorScriptError:
    return PredictorScriptError(
        what,
        expected,
        "Give smoke_test.requests that the model can answer, or look whether this is the model version you mean.",
        cause=Cause.PREDICT_ERROR,
        file=predictor.file,
        line=None,
    )


def _out_of_time(predictor: Answers, number: int, timeout_s: float) -> PredictorScriptError:
    who, hurry = predictor.class_name, "Ask less"
    if predictor.file:
        who, hurry = f"{who}.predict", f"Make predict in {predictor.file} faster, load what it needs in __init__"
    return PredictorScriptError(
        f"{who} did not answer smoke request {number} within {timeout_s:g} s.",
        "Expected every smoke request to be answered in that time.",
        f"{hurry}, or raise smoke_test.timeout_s.",
        cause=Cause.PREDICT_ERROR,
        file=predictor.file,
        line=None,
    )


def _compare(predictor: Answers, request: SmokeRequest, number: int, got: Any) -> None:
    found = difference(request.expect, got, request.tolerance)
    if found is None:
        return
    look = f"Mend predict in {predictor.file}, look" if predictor.file else "Look"
    raise PredictorScriptError(
        f"Smoke request {number} was answered wrongly: {found}.",
        "Expected every smoke request to be answered as the specification says.",
        f"{look} whether this is the model version you mean, or change expect.",
        cause=Cause.WRONG_ANSWER,
        file=predictor.file,
        line=None,
    )
