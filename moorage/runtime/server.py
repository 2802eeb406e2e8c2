"""Puts a loaded predictor online with KServe's model server. It and what it starts alone import kserve."""

from __future__ import annotations

import asyncio
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from http import HTTPStatus
from socket import socket
from typing import Any, Final

from moorage.errors import CallerError, PredictorScriptError
from moorage.inference.protocol import predict_path
from moorage.runtime.batching import AnswerTooLate
from moorage.runtime.drain import DrainingServer
from moorage.runtime.loaded import Answers
from moorage.runtime.remote import PredictorFailed, answered_by

_argv = sys.argv
# kserve parses the command line while it is imported, by prefix too: what is ours or the user's could end the process
sys.argv = sys.argv[:1]
try:
    import orjson
    from fastapi.exceptions import FastAPIDeprecationWarning
    from kserve import Model, ModelRepository
    from kserve.errors import InferenceError, InvalidInput, ModelNotFound, ModelNotReady
    from kserve.model_server import app as kserve_app
    from kserve.protocol.dataplane import DataPlane
    from kserve.protocol.infer_type import InferRequest
    from kserve.protocol.model_repository_extension import ModelRepositoryExtension
    from kserve.protocol.rest.server import RESTServer
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from timing_asgi import TimingMiddleware  # type: ignore[import-untyped]
finally:
    sys.argv = _argv

_log = logging.getLogger(__name__)

# What kserve would log as ERROR with a traceback at every request of that kind, ours or the caller's fault alike.
_STATUS: Final = {
    InvalidInput: HTTPStatus.BAD_REQUEST,
    ModelNotFound: HTTPStatus.NOT_FOUND,
    InferenceError: HTTPStatus.INTERNAL_SERVER_ERROR,
    ModelNotReady: HTTPStatus.SERVICE_UNAVAILABLE,
    NotImplementedError: HTTPStatus.NOT_IMPLEMENTED,
    AnswerTooLate: HTTPStatus.GATEWAY_TIMEOUT,
}


async def serve(
    name: str,
    predictor: Answers,
    listener: socket,
    *,
    headers: Mapping[str, str],
    on_listening: Callable[[], None],
    on_draining: Callable[[], None] = lambda: None,
    drain_s: float = 20,
    grpc_port: int | None = None,
) -> None:
    """Answers requests until SIGTERM or SIGINT and the drain after it.

    Args:
        name: of the model deployment, as in /v1/models/NAME:predict.
        predictor: what answers.
        listener: a listening socket; closed at the end, and never shut down, since others share it.
        headers: put on every answer.
        on_listening: called once the socket is accepted on.
        on_draining: called once it is not accepted on any more: from then on only a successor takes new connections.
        drain_s: seconds that connections get to ask their last request.
        grpc_port: where the V2 protocol is answered by gRPC too; None: nowhere.
    """
    application, data_plane = _application(name, predictor)
    by_grpc = None
    if grpc_port is not None:
        from moorage.runtime import grpc_server

        by_grpc = await grpc_server.start(name, predictor, grpc_port, said=headers, data_plane=data_plane)
    ends: list[asyncio.Future[None]] = []

    def draining() -> None:
        on_draining()
        if by_grpc is not None:
            ends.append(asyncio.ensure_future(by_grpc.stop(drain_s)))

    server = DrainingServer(
        application, headers=headers, on_listening=on_listening, on_draining=draining, drain_s=drain_s
    )
    await server.serve(sockets=[listener])
    await asyncio.gather(*ends)


class _ServedModel(Model):  # type: ignore[misc]
    """The predictor, as kserve calls it: whose fault it was decides the status."""

    def __init__(self, name: str, predictor: Answers) -> None:
        super().__init__(name, return_response_headers=True)
        self._predictor = predictor
        self.ready = True

    async def predict(self, payload: Any, _headers: Any, response_headers: dict[str, str]) -> bytes:
        try:
            answer = await self._predictor.answer(self._body(payload))
        except CallerError as exc:
            raise InvalidInput(str(exc)) from exc
        except PredictorFailed as exc:
            raise HTTPException(exc.status, str(exc)) from exc
        except PredictorScriptError as exc:
            _log.error("Deployment %r: %s", self.name, exc, exc_info=exc.__cause__)
            place = exc.file if exc.line is None else f"{exc.file}, line {exc.line}"
            raise InferenceError(f"{exc.what.rstrip('.')} ({place})") from exc
        # bytes go out as they are; a dict would pass through a response class that FastAPI warns of at every request
        response_headers["content-type"] = "application/json"
        response_headers.update(answered_by.get({}))
        return orjson.dumps(answer)

    async def postprocess(self, result: bytes, _headers: Any, _response_headers: dict[str, str]) -> bytes:
        return result

    async def explain(self, _payload: Any, _headers: Any = None) -> dict[str, Any]:
        raise NotImplementedError(f"This deployment does not explain. It predicts at {predict_path(self.name)}.")

    def _body(self, payload: Any) -> Any:
        if isinstance(payload, InferRequest):
            raise InvalidInput(f'V1 is spoken here: send {{"instances": [[…]]}} to {predict_path(self.name)}.')
        if not isinstance(payload, bytes):
            return payload
        # kserve hands over unread what comes under another content type: curl -d, or application/json; charset=utf-8
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError as exc:
            raise InvalidInput(f"The request's body is not JSON: {exc}. Send JSON, as application/json.") from exc


class _FixedRepository(ModelRepositoryExtension):  # type: ignore[misc]
    """Nobody unloads or loads a model over the network: kserve's routes for it ask for no credentials."""

    async def load(self, _model_name: str) -> None:
        raise HTTPException(HTTPStatus.NOT_FOUND)

    async def unload(self, _model_name: str) -> None:
        raise HTTPException(HTTPStatus.NOT_FOUND)


def _application(name: str, predictor: Answers) -> tuple[Any, DataPlane]:
    """The app of kserve with one model in it; the app is one for each process, so this is called once."""
    _quieten_logs()
    repository = ModelRepository()
    repository.update(_ServedModel(name, predictor))
    data_plane = DataPlane(repository)
    RESTServer("kserve.model_server:app", data_plane, _FixedRepository(repository), 0).create_application()
    for kind in _STATUS:
        kserve_app.add_exception_handler(kind, _answer_error)
    # it measures every request for a log that is never written
    kserve_app.user_middleware = [each for each in kserve_app.user_middleware if each.cls is not TimingMiddleware]
    return kserve_app, data_plane


def _quieten_logs() -> None:
    """A user's log lines are not to drown in the server's own."""
    warnings.filterwarnings("ignore", category=FastAPIDeprecationWarning)
    for noisy in ("kserve", "kserve.trace", "uvicorn", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


async def _answer_error(_request: Request, exc: Exception) -> JSONResponse:
    status = next(status for kind, status in _STATUS.items() if isinstance(exc, kind))
    return JSONResponse({"error": str(exc)}, status_code=status)
