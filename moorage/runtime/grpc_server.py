"""Answers the V2 protocol by gRPC beside KServe's REST server; imported once that is."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc
import numpy as np
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from kserve.protocol.grpc.servicer import InferenceServicer

from moorage.errors import CallerError, PredictorScriptError
from moorage.inference.tensors import contents_field, from_bytes
from moorage.runtime.batching import AnswerTooLate
from moorage.runtime.loaded import Answers
from moorage.runtime.remote import answered_by
from moorage.startup import Cause

_log = logging.getLogger(__name__)

_OPTIONS: Final = (
    # a tensor may be as large as memory lets it
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.so_reuseport", 0),
)
# What a single value is called, as KServe calls it.
_ONLY_OUTPUT: Final = "output-0"
_DATATYPES: Final = {"b": "BOOL", "i": "INT64", "u": "UINT64", "f": "FP64", "U": "BYTES"}
_STATUS: Final = {
    CallerError: grpc.StatusCode.INVALID_ARGUMENT,
    AnswerTooLate: grpc.StatusCode.DEADLINE_EXCEEDED,
}


async def start(name: str, predictor: Answers, port: int, *, said: Mapping[str, str], data_plane: Any) -> Any:
    """Listens on every address of the pod; the server is to be stopped by whoever called.

    Args:
        name: of the model deployment.
        said: goes with every answer, as headers do.
        data_plane: KServe's, for what else the protocol asks.

    Raises:
        OSError: the port cannot be had.
    """
    server = grpc.aio.server(ThreadPoolExecutor(1), options=_OPTIONS)
    add_GRPCInferenceServiceServicer_to_server(_Servicer(name, predictor, said, data_plane), server)
    try:
        server.add_insecure_port(f"[::]:{port}")
    except RuntimeError as exc:
        raise OSError(f"port {port} cannot be listened on for gRPC: {exc}") from exc
    await server.start()
    return server


class _Servicer(InferenceServicer):  # type: ignore[misc]
    """The predictor, asked with tensors."""

    def __init__(self, name: str, predictor: Answers, said: Mapping[str, str], data_plane: Any) -> None:
        super().__init__(data_plane, None)
        self._name = name
        self._predictor = predictor
        self._said = said

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        if request.model_name != self._name:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"There is no model {request.model_name!r} here.")
        try:
            answer = await self._predictor.answer(body_of(request))
            outputs = outputs_of(answer, self._predictor.file)
        except (CallerError, AnswerTooLate, PredictorScriptError) as exc:
            if isinstance(exc, PredictorScriptError):
                _log.error("Deployment %r: %s", self._name, exc, exc_info=exc.__cause__)
            await context.abort(_STATUS.get(type(exc), grpc.StatusCode.INTERNAL), str(exc))
        response = messages.ModelInferResponse(model_name=self._name, id=request.id or uuid.uuid4().hex)
        response.outputs.extend(outputs)
        for key, value in {**self._said, **answered_by.get({})}.items():
            response.parameters[key].string_param = value
        return response

    async def RepositoryModelLoad(self, _request: Any, context: Any) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Nobody loads a model over the network.")

    async def RepositoryModelUnload(self, _request: Any, context: Any) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Nobody unloads a model over the network.")


def body_of(request: Any) -> dict[str, Any]:
    """What the script is asked: the rows of the only tensor, or each tensor by its name.

    Raises:
        CallerError: there is none, or one of them holds other than its shape says.
    """
    raw = request.raw_input_contents
    if not request.inputs or (raw and len(raw) != len(request.inputs)):
        raise CallerError(
            f"The request has {len(request.inputs)} inputs and {len(raw)} raw contents.",
            "Expected at least one input, and raw contents for each of them or for none.",
        )
    tensors = {
        tensor.name: _nested(tensor, raw[number] if raw else None) for number, tensor in enumerate(request.inputs)
    }
    if len(tensors) == 1:
        return {"instances": next(iter(tensors.values()))}
    return {"inputs": tensors}


def _nested(tensor: Any, raw: bytes | None) -> Any:
    try:
        flat = _elements(tensor) if raw is None else from_bytes(tensor.datatype, raw)
        values = [_text(each) for each in flat] if tensor.datatype == "BYTES" else flat
        kind = object if tensor.datatype == "BYTES" else None
        return np.array(values, dtype=kind).reshape(tuple(tensor.shape)).tolist()
    except (KeyError, ValueError, AttributeError) as exc:
        raise CallerError(
            f"Input {tensor.name!r} is no {tensor.datatype} of shape {list(tensor.shape)}: {exc}.",
            "Expected as many elements as its shape says, of a datatype that there is.",
        ) from exc


def _elements(tensor: Any) -> list[Any]:
    return list(getattr(tensor.contents, contents_field(tensor.datatype)))


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def outputs_of(answer: Mapping[str, Any], file: str) -> list[Any]:
    """The tensors that say what was predicted: one for each key of a dict, else one.

    Raises:
        PredictorScriptError: it is no tensor: rows of different lengths, dicts in it, or nothing.
    """
    predictions = answer["predictions"]
    named = predictions if isinstance(predictions, Mapping) else {_ONLY_OUTPUT: predictions}
    return [_output(name, value, file) for name, value in named.items()]


def _output(name: str, value: Any, file: str) -> Any:
    try:
        array = np.array(value)
        datatype = _DATATYPES[array.dtype.kind]
    except (ValueError, KeyError):
        raise PredictorScriptError(
            f"predict returned {name!r} as something that is no tensor.",
            "By gRPC go numbers, booleans or text, in lists that are as long as each other; or a dict of such.",
            "Return such a value, or set api_protocol to REST.",
            cause=Cause.PREDICT_ERROR,
            file=file,
            line=None,
        ) from None
    flat = array.reshape(-1).tolist()
    elements = [each.encode() for each in flat] if datatype == "BYTES" else flat
    output = messages.ModelInferResponse.InferOutputTensor(name=name, datatype=datatype, shape=list(array.shape))
    getattr(output.contents, contents_field(datatype)).extend(elements)
    return output
