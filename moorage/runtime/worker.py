"""One thread of its own, for what must not hold up an event loop."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


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
