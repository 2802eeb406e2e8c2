"""A user's class, loaded and ready to answer: facts learnt once, so that nothing is inspected at request time."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from moorage.errors import CallerError, PredictorScriptError
from moorage.inference.protocol import answer_body, inputs_of
from moorage.runtime.blame import blame, place_of
from moorage.startup import Cause


class Answers(Protocol):
    """What answers requests.

    Attributes:
        class_name: as the script calls it.
        file: the script's file name.
    """

    @property
    def class_name(self) -> str: ...

    @property
    def file(self) -> str: ...

    async def answer(self, body: Any) -> dict[str, Any]:
        """The body of the answer to a request's body; raises CallerError for one that holds nothing to predict from."""
        ...


@dataclass(frozen=True)
class LoadedPredictor:
    """An instance of the script's class.

    Attributes:
        class_name: as the script calls it.
        is_async: whether `predict` is awaited on the event loop instead of run in the worker thread.
        file: the script's file name.
    """

    class_name: str
    is_async: bool
    file: str
    script: Path = field(repr=False)
    package: str = field(repr=False)
    instance: Any = field(repr=False)
    worker: Worker = field(repr=False)

    async def answer(self, body: Any) -> dict[str, Any]:
        """The body of the answer to a request's body.

        One request at a time: a plain `predict` runs in one thread of its own, since few models may be asked by two
        threads at once, and never holds up the event loop. Write `async def predict` to answer several at a time.
        `predict` may change what it is given: hand over a body that nobody else uses.

        Raises:
            CallerError: the body holds nothing to predict from.
            PredictorScriptError: `predict` raised, called `sys.exit`, or returned what JSON cannot say.
        """
        inputs = inputs_of(body)
        answer = self._called(inputs) if self.is_async else await self.worker.run(lambda: self._called(inputs))
        return await self._awaited(answer) if inspect.isawaitable(answer) else answer

    def _called(self, inputs: Any) -> Any:
        try:
            result = self.instance.predict(inputs)
        except BaseException as exc:
            raise self._blamed(exc) from exc
        # a plain function around an async one is no async function, yet its coroutine belongs to the event loop
        return result if inspect.isawaitable(result) else self._spoken(result)

    async def _awaited(self, pending: Any) -> dict[str, Any]:
        try:
            result = await pending
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise
        except BaseException as exc:
            raise self._blamed(exc) from exc
        return self._spoken(result)

    def _spoken(self, result: Any) -> dict[str, Any]:
        try:
            return answer_body(result)
        except CallerError as exc:
            file, line = place_of(inspect.unwrap(self.instance.predict), self.script)
            mend = f"{exc.mend} It is what predict returned, in {file}."
            raise PredictorScriptError(
                exc.what, exc.expected, mend, cause=Cause.PREDICT_ERROR, file=file, line=line
            ) from None
        except Exception as exc:
            raise self._blamed(exc) from exc

    def _blamed(self, exc: BaseException) -> PredictorScriptError:
        doing = f"{self.class_name}.predict to answer"
        return blame(exc, self.script, package=self.package, doing=doing, otherwise=Cause.PREDICT_ERROR)


class Worker:
    """One thread that does one thing after another, for an event loop.

    Not an executor of the standard library: the interpreter waits at its end for an executor's thread, so a `predict`
    that hangs would keep the whole process from leaving.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="predict", daemon=True).start()

    async def run(self, call: Callable[[], Any]) -> Any:
        """What the call returns or raises; it sees the caller's context variables."""
        loop = asyncio.get_running_loop()
        job = _Job(call, contextvars.copy_context(), loop, loop.create_future())
        self._jobs.put(job)
        return await job.outcome

    def _work(self) -> None:
        while True:
            self._jobs.get().do()


@dataclass(frozen=True)
class _Job:
    call: Callable[[], Any]
    context: contextvars.Context
    loop: asyncio.AbstractEventLoop
    outcome: asyncio.Future[Any]

    def do(self) -> None:
        if self.outcome.cancelled():
            return
        result: Any = None
        error: BaseException | None = None
        try:
            result = self.context.run(self.call)
        except BaseException as exc:  # noqa: BLE001 - raised again where it is awaited
            error = exc
        try:
            self.loop.call_soon_threadsafe(self._settle, result, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.outcome.cancelled():
            return
        if error is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(result)
