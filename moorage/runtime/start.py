"""The start of one revision's model server: fetch, load, prove, listen; each stage is reported."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator
from socket import socket
from typing import Final

from moorage import environment
from moorage.errors import PredictorScriptError
from moorage.inference.dialect import dialect_of
from moorage.runtime.failure import startup_failure
from moorage.runtime.launch import Launch
from moorage.runtime.proof import prove
from moorage.runtime.report import write_report
from moorage.runtime.served import Moments, Served, ToldToLeave, load
from moorage.startup import Stage, StartupFailure, StartupReport

_log = logging.getLogger(__name__)

# A model server that ends while it is proven takes this long to be seen, at most.
_SEEN_S: Final = 1


def fetch_files(launch: Launch) -> None:
    """Puts the revision's files where its script looks for them, verified."""
    from moorage.runtime.fetch import fetch

    fetch(launch.store_url, launch.revision, model_files=launch.model_files, artifact_files=launch.artifact_files)


class Start:
    """One start, and how far it has come.

    Args:
        launch: what to start.
        fetch: gets the files of the launch.
        at_end: closes what the start leaves open. Closing may wait for threads of the user's own, so it is apart from
            the start, whose failure is reported first.
    """

    def __init__(self, launch: Launch, fetch: Callable[[Launch], None], at_end: contextlib.ExitStack) -> None:
        self._launch = launch
        self._fetch = fetch
        self._at_end = at_end
        self._is_ready = False
        self._is_proving = False
        self._name = f"Deployment {launch.revision.deployment!r} revision {launch.revision.number}"

    def run(self, listener: socket) -> int:
        """Serves until it is told to stop, then 0; 1 when it failed, which is reported and logged."""
        try:
            self._serve(listener)
        except ToldToLeave:
            _log.info("%s: told to end before it served", self._name)
            return 128 + signal.SIGTERM
        except Exception as exc:  # noqa: BLE001 - the edge of the process
            self._fail(exc)
            return 1
        _log.info("%s: stopped", self._name)
        return 0

    def _serve(self, listener: socket) -> None:
        if self._launch.store_url:
            self._report(Stage.FETCHING)
            self._fetch(self._launch)
        self._report(Stage.LOADING)
        os.environ.update(self._launch.secrets())
        # one loop for both: what an async predictor opens at its first request stays bound to the loop of that request
        with _variables_of_the_transformer():
            served = load(self._launch, self._at_end, self._give_up_serving)
            self._report(Stage.PROVING)
            runner = self._at_end.enter_context(_event_loop())
            self._prove(served, runner)
        moments = Moments(self._ready, lambda: self._report(Stage.DRAINING))
        runner.run(served.serve(listener, moments))
        if served.child is not None:
            served.child.stop()

    def _prove(self, served: Served, runner: asyncio.Runner) -> None:
        revision = self._launch.revision
        self._is_proving = True
        proof = prove(
            served.proven,
            served.requests,
            dialect=dialect_of(revision.model_server),
            name=revision.deployment,
            timeout_s=revision.smoke_timeout_s,
            on_blocked=self._give_up,
        )
        try:
            runner.run(proof)
        except Exception:
            _refuse_ended(served, within_s=_SEEN_S)
            raise
        self._is_proving = False
        _refuse_ended(served, within_s=0)

    def _ready(self) -> None:
        self._is_ready = True
        self._report(Stage.READY)

    def _give_up_serving(self, exc: Exception) -> None:
        """As `_give_up`, but for what shows in the proof anyway."""
        if not self._is_proving:
            self._give_up(exc)

    def _give_up(self, exc: Exception) -> None:
        """Ends the process from another thread: its event loop will never run again."""
        self._fail(exc)
        os._exit(1)

    def _fail(self, exc: Exception) -> None:
        ours = not isinstance(exc, PredictorScriptError)
        _log.error("%s failed: %s", self._name, exc, exc_info=exc if ours else exc.__cause__)
        if not self._is_ready:
            self._report(Stage.FAILED, startup_failure(exc, environment=self._launch.revision.environment))

    def _report(self, stage: Stage, failure: StartupFailure | None = None) -> None:
        _log.info("%s: %s", self._name, stage)
        try:
            write_report(self._launch.report_file, StartupReport(self._launch.revision.number, stage, failure))
        except OSError as exc:
            _log.warning("%s: the report of its start could not be written: %s", self._name, exc)


def _refuse_ended(served: Served, *, within_s: float) -> None:
    ended = served.child and served.child.end_within(within_s)
    if ended:
        raise ended from None


@contextlib.contextmanager
def _variables_of_the_transformer() -> Iterator[None]:
    """Inside, they are there as the transformer's script calls them."""
    before = dict(os.environ)
    prefix = environment.OF_THE_TRANSFORMER
    os.environ.update({name.removeprefix(prefix): value for name, value in before.items() if name.startswith(prefix)})
    try:
        yield
    finally:
        for name in [name for name in before if name.startswith(prefix)]:
            given = name.removeprefix(prefix)
            if given in before:
                os.environ[given] = before[given]
            else:
                os.environ.pop(given, None)


def _event_loop() -> asyncio.Runner:
    # imported here: whatever it lacks is to be reported
    from uvicorn.loops.auto import auto_loop_factory

    return asyncio.Runner(loop_factory=auto_loop_factory())
