"""An instance of a script's class, and how its methods are called: facts learnt once, none at request time."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from moorage.errors import CallerError, PredictorScriptError
from moorage.runtime.blame import blame, place_of
from moorage.runtime.worker import Worker
from moorage.startup import Cause

T = TypeVar("T")


@dataclass(frozen=True)
class ScriptClass:
    """An instance of the script's class.

    Attributes:
        class_name: as the script calls it.
        file: the script's file name.
        awaited: the methods that are awaited on the event loop instead of run in the worker thread.
    """

    class_name: str
    file: str
    awaited: frozenset[str]
    script: Path = field(repr=False)
    package: str = field(repr=False)
    instance: Any = field(repr=False)
    worker: Worker = field(repr=False)

    def has(self, method: str) -> bool:
        """Whether there is such a method."""
        return callable(getattr(self.instance, method, None))

    async def call(self, method: str, argument: Any, then: Callable[[Any], T], **more: Any) -> T:
        """What a method returns, made into something.

        One call at a time: plain methods run in one thread of their own, since few models may be asked by two threads
        at once, and never hold up the event loop. Those written `async` are asked several at a time.

        Args:
            more: further arguments, by name.
            then: makes it; raises CallerError for what cannot be, which then is the method's fault.

        Raises:
            PredictorScriptError: it raised, called `sys.exit`, or returned what `then` refuses.
        """
        if method in self.awaited:
            result = self._called(method, argument, then, more)
        else:
            result = await self.worker.run(lambda: self._called(method, argument, then, more))
        made: T = await self._awaited(method, result, then) if inspect.isawaitable(result) else result
        return made

    def _called(self, method: str, argument: Any, then: Callable[[Any], Any], more: Mapping[str, Any]) -> Any:
        try:
            result = getattr(self.instance, method)(argument, **more)
        except BaseException as exc:
            raise self._blamed(method, exc) from exc
        # a plain function around an async one is no async function, yet its coroutine belongs to the event loop
        return result if inspect.isawaitable(result) else self._made(method, result, then)

    async def _awaited(self, method: str, pending: Any, then: Callable[[Any], Any]) -> Any:
        try:
            result = await pending
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise
        except BaseException as exc:
            raise self._blamed(method, exc) from exc
        return self._made(method, result, then)

    def _made(self, method: str, result: Any, then: Callable[[Any], Any]) -> Any:
        try:
            return then(result)
        except CallerError as exc:
            file, line = place_of(inspect.unwrap(getattr(self.instance, method)), self.script)
            mend = f"{exc.mend} It is what {method} returned, in {file}."
            raise PredictorScriptError(
                exc.what, exc.expected, mend, cause=Cause.PREDICT_ERROR, file=file, line=line
            ) from None
        except Exception as exc:
            raise self._blamed(method, exc) from exc

    def _blamed(self, method: str, exc: BaseException) -> PredictorScriptError:
        doing = f"{self.class_name}.{method} to answer"
        return blame(exc, self.script, package=self.package, doing=doing, otherwise=Cause.PREDICT_ERROR)
