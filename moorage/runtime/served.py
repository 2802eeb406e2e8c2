"""What a revision is served with: what answers its requests, what is proven of it, and how it goes online."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any, Final

from moorage.components import Component
from moorage.deployment import Revision, SmokeRequest
from moorage.errors import CallerError, ServerEnded
from moorage.inference.openai import path_of
from moorage.inference.protocol import ARTIFACT_DIGEST_HEADER, MODEL_DIGEST_HEADER, REVISION_HEADER
from moorage.predictor import ModelServer
from moorage.runtime import commands
from moorage.runtime.child import ChildServer, free_port
from moorage.runtime.launch import Launch
from moorage.runtime.loaded import Answers, BeforePredicting
from moorage.runtime.loader import load_engine, load_predictor, load_transformer
from moorage.runtime.proxy import Proxy
from moorage.runtime.ready import Ready
from moorage.runtime.remote import Remote, predictor_at

# Seconds that connections get to ask their last request, once the server was told to stop.
_DRAIN_S: Final = 20


@dataclass(frozen=True)
class Moments:
    """Who is told of what happens while a model server serves: each is called once, at most."""

    listening: Callable[[], None]
    draining: Callable[[], None]


Serve = Callable[[socket, Moments], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Served:
    """What a revision is served with.

    Attributes:
        proven: what its smoke requests are asked of.
        requests: which those are.
        serve: answers on a listening socket, until the process is told to stop.
        child: the process of a model server that is not ours; None where there is none.
    """

    proven: Answers
    requests: Sequence[SmokeRequest]
    serve: Serve
    child: ChildServer | None = None


def load(launch: Launch, at_end: contextlib.ExitStack, on_end: Callable[[ServerEnded], object]) -> Served:
    """Loads what a launch names; nothing listens on its socket yet.

    Args:
        at_end: closes what this leaves open.
        on_end: called in another thread when a model server that is not ours ends by itself.

    Raises:
        PredictorScriptError: a script cannot be loaded.
        ServerEnded: a model server that is not ours did not start.
    """
    if launch.component is Component.TRANSFORMER:
        return _transformer(launch)
    if launch.revision.model_server is ModelServer.VLLM:
        return _vllm(launch, at_end, on_end)
    return _predictor(launch, at_end, on_end)


def _predictor(launch: Launch, at_end: contextlib.ExitStack, on_end: Callable[[ServerEnded], object]) -> Served:
    """It is proven together with its transformer, if it has one.

    Else one that its transformer does not fit would go online, and requests would fail until somebody looks.
    """
    child = None
    if launch.revision.model_server is ModelServer.TENSORFLOW_SERVING:
        child = _tensorflow_serving(launch, at_end, on_end)
        answering: Answers = predictor_at(child.url, launch.revision.deployment, child.name)
    else:
        answering = load_predictor(launch.script())
    predictor = _batched(answering, launch.revision)
    transformer = launch.transformer_script()
    proven = predictor if transformer is None else load_transformer(transformer, predictor)
    logged = _logged(predictor, launch, at_end)
    return Served(proven, launch.revision.smoke_requests, _by_kserve(launch, logged), child)


def _transformer(launch: Launch) -> Served:
    revision, script = launch.revision, launch.transformer_script()
    if script is None:
        name = f"Deployment {revision.deployment!r} revision {revision.number}"
        raise CallerError(f"{name} has no transformer script.", "", "Deploy it again.")
    answering = load_transformer(script, predictor_at(launch.predictor_url, revision.deployment))
    unanswered = [request.model_copy(update={"expect": None}) for request in revision.smoke_requests]
    return Served(BeforePredicting(answering), unanswered, _by_kserve(launch, answering))


def _vllm(launch: Launch, at_end: contextlib.ExitStack, on_end: Callable[[ServerEnded], object]) -> Served:
    revision = launch.revision
    if revision.artifact.script_file is not None:
        from moorage.runtime.vllm_script import ScriptedEngine

        engine = ScriptedEngine(load_engine(launch.script()), revision.deployment, on_end)
        at_end.callback(engine.close)
        return Served(engine, revision.smoke_requests, _by_app(launch, engine.app))
    port, config = free_port(), revision.artifact.config_file
    config_file = None if config is None else str(launch.artifact_files / config)
    command = commands.vllm(
        revision.deployment, model_files=str(launch.model_files), config_file=config_file, port=port
    )
    child = _started(command, port, launch.artifact_files, at_end, on_end)
    proven = Remote(child.url, path_of, child.name)

    async def app() -> Any:
        proxy = Proxy(child.url)
        return Ready(proxy, revision.deployment, lambda: proxy.is_well(command.ready_path))

    return Served(proven, revision.smoke_requests, _by_app(launch, app), child)


def _tensorflow_serving(
    launch: Launch, at_end: contextlib.ExitStack, on_end: Callable[[ServerEnded], object]
) -> ChildServer:
    # it wants a folder of numbered versions, and would take a later one without a word
    base = at_end.enter_context(tempfile.TemporaryDirectory(prefix="moorage-"))
    files = [str(path.relative_to(launch.model_files)) for path in launch.model_files.rglob("*.pb")]
    (Path(base) / "1").symlink_to(launch.model_files / commands.saved_model_folder(files), target_is_directory=True)
    port = free_port()
    command = commands.tensorflow_serving(launch.revision.deployment, base=base, port=port)
    return _started(command, port, launch.artifact_files, at_end, on_end)


def _started(
    command: commands.ServerCommand,
    port: int,
    folder: Path,
    at_end: contextlib.ExitStack,
    on_end: Callable[[ServerEnded], object],
) -> ChildServer:
    child = ChildServer(command, port, folder, on_end)
    at_end.callback(child.stop)
    # until we serve, and so drain, nothing else would end it with us
    signal.signal(signal.SIGTERM, _leave)
    child.start()
    return child


class ToldToLeave(KeyboardInterrupt):
    """The process was told to end before it served; scripts that are just running are not to blame."""


def _leave(_signum: int, _frame: object) -> None:
    raise ToldToLeave


def _batched(predictor: Answers, revision: Revision) -> Answers:
    """The same, behind the revision's inference batcher, if it has one: what proves it is then batched too."""
    if not revision.inference_batcher.enabled:
        return predictor
    from moorage.runtime.batching import Batching

    # what a script is given of a body is its rows; TensorFlow Serving reads more of it
    is_script = revision.model_server is ModelServer.PYTHON
    return Batching(predictor, revision.inference_batcher, rows_are_all=is_script)


def _logged(predictor: Answers, launch: Launch, at_end: contextlib.ExitStack) -> Answers:
    """The same, with its exchanges logged, if the revision has an inference logger."""
    logger = launch.revision.inference_logger
    if logger is None or not logger.logs:
        return predictor
    # imported here: whoever logs nothing needs no client of Kafka's
    from moorage.inference_log.broker import Broker
    from moorage.inference_log.producer import InferenceLog
    from moorage.runtime.logged import Logged

    log = InferenceLog(launch.revision, Broker.from_env(launch.kafka, launch.schema_registry, os.environ))
    at_end.callback(log.close)
    return Logged(predictor, log.put, logger.mode)


def _by_kserve(launch: Launch, answering: Answers) -> Serve:
    async def serve(listener: socket, moments: Moments) -> None:
        # imported here: its failure is to be reported, and it takes seconds that a script which cannot be served
        # should not wait for
        try:
            from moorage.runtime import server
        except Exception as exc:
            raise ImportError(f"{type(exc).__name__}: {exc}") from exc
        await server.serve(
            launch.revision.deployment,
            answering,
            listener,
            headers=_identity(launch.revision),
            on_listening=moments.listening,
            on_draining=moments.draining,
            drain_s=_DRAIN_S,
            grpc_port=launch.grpc_port,
        )

    return serve


def _by_app(launch: Launch, app: Callable[[], Awaitable[Any]]) -> Serve:
    async def serve(listener: socket, moments: Moments) -> None:
        from moorage.runtime.drain import DrainingServer

        server = DrainingServer(
            await app(),
            headers=_identity(launch.revision),
            on_listening=moments.listening,
            on_draining=moments.draining,
            drain_s=_DRAIN_S,
        )
        await server.serve(sockets=[listener])

    return serve


def _identity(revision: Revision) -> dict[str, str]:
    return {
        REVISION_HEADER: str(revision.number),
        MODEL_DIGEST_HEADER: revision.model.digest,
        ARTIFACT_DIGEST_HEADER: revision.artifact.digest,
    }
