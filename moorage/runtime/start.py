"""The start of one revision's model server: fetch, load, prove, listen; each stage is reported."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from socket import socket

from moorage import environment
from moorage.components import Component
from moorage.deployment import Revision, SmokeRequest
from moorage.errors import CallerError, PredictorScriptError
from moorage.inference.protocol import ARTIFACT_DIGEST_HEADER, MODEL_DIGEST_HEADER, REVISION_HEADER
from moorage.runtime.failure import startup_failure
from moorage.runtime.launch import Launch
from moorage.runtime.loaded import Answers, BeforePredicting
from moorage.runtime.loader import load_predictor, load_transformer
from moorage.runtime.proof import prove
from moorage.runtime.report import write_report
from moorage.startup import Stage, StartupFailure, StartupReport

_log = logging.getLogger(__name__)


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
        self._name = f"Deployment {launch.revision.deployment!r} revision {launch.revision.number}"

    def run(self, listener: socket) -> int:
        """Serves until it is told to stop, then 0; 1 when it failed, which is reported and logged."""
        try:
            self._serve(listener)
        except Exception as exc:  # noqa: BLE001 - the edge of the process
            self._fail(exc)
            return 1
        _log.info("%s: stopped", self._name)
        return 0

    def _serve(self, listener: socket) -> None:
        revision = self._launch.revision
        if self._launch.store_url:
            self._report(Stage.FETCHING)
            self._fetch(self._launch)
        self._report(Stage.LOADING)
        os.environ.update(self._launch.secrets())
        # one loop for both: what an async predictor opens at its first request stays bound to the loop of that request
        with _variables_of_the_transformer():
            answering, proven, requests = self._loaded()
            self._report(Stage.PROVING)
            runner = self._at_end.enter_context(_event_loop())
            timeout_s = revision.smoke_timeout_s
            runner.run(prove(proven, requests, timeout_s=timeout_s, on_blocked=self._give_up))
        runner.run(_serve(self._launch, answering, listener, self._ready, lambda: self._report(Stage.DRAINING)))

    def _loaded(self) -> tuple[Answers, Answers, Sequence[SmokeRequest]]:
        """What answers requests; what is proven, and by which.

        A predictor is proven together with its transformer, if it has one: else one that its transformer does not fit
        would go online, and requests would fail until somebody looks.
        """
        launch, requests = self._launch, self._launch.revision.smoke_requests
        transformer = launch.transformer_script()
        if launch.component is Component.PREDICTOR:
            predictor = _batched(load_predictor(launch.script()), launch.revision)
            proven = predictor if transformer is None else load_transformer(transformer, predictor)
            return self._logged(predictor), proven, requests
        if transformer is None:
            raise CallerError(f"{self._name} has no transformer script.", "", "Deploy it again.")
        from moorage.runtime.remote import RemotePredictor

        answering = load_transformer(transformer, RemotePredictor(launch.predictor_url, launch.revision.deployment))
        unanswered = [request.model_copy(update={"expect": None}) for request in requests]
        return answering, BeforePredicting(answering), unanswered

    def _logged(self, predictor: Answers) -> Answers:
        """The same, with its exchanges logged, if the revision has an inference logger."""
        launch = self._launch
        if launch.revision.log_topic is None:
            return predictor
        # imported here: whoever logs nothing needs no client of Kafka's
        from moorage.inference_log.broker import Broker
        from moorage.inference_log.producer import InferenceLog
        from moorage.runtime.logged import Logged

        log = InferenceLog(launch.revision, Broker.from_env(launch.kafka, launch.schema_registry, os.environ))
        self._at_end.callback(log.close)
        return Logged(predictor, log.put)

    def _ready(self) -> None:
        self._is_ready = True
        self._report(Stage.READY)

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


# uvicorn and kserve are imported where they are needed: a failure of theirs is to be reported, and kserve takes seconds
# that a script which cannot be served should not wait for.


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


def _batched(predictor: Answers, revision: Revision) -> Answers:
    """The same, behind the revision's inference batcher, if it has one: what proves it is then batched too."""
    if not revision.inference_batcher.enabled:
        return predictor
    from moorage.runtime.batching import Batching

    return Batching(predictor, revision.inference_batcher)


def _event_loop() -> asyncio.Runner:
    from uvicorn.loops.auto import auto_loop_factory

    return asyncio.Runner(loop_factory=auto_loop_factory())


async def _serve(
    launch: Launch,
    predictor: Answers,
    listener: socket,
    on_listening: Callable[[], None],
    on_draining: Callable[[], None],
) -> None:
    try:
        from moorage.runtime.server import serve
    except Exception as exc:
        raise ImportError(f"{type(exc).__name__}: {exc}") from exc
    revision = launch.revision
    headers = {
        REVISION_HEADER: str(revision.number),
        MODEL_DIGEST_HEADER: revision.model.digest,
        ARTIFACT_DIGEST_HEADER: revision.artifact.digest,
    }
    await serve(
        revision.deployment,
        predictor,
        listener,
        headers=headers,
        on_listening=on_listening,
        on_draining=on_draining,
        grpc_port=launch.grpc_port,
    )
