"""Asks a model deployment that speaks gRPC, in the V2 protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import grpc

from moorage.errors import InferenceFailed
from moorage.inference.grpc_messages import METHOD, ModelInferRequest, ModelInferResponse
from moorage.inference.tensors import (
    InferInput,
    InferOutput,
    as_bytes,
    as_elements,
    contents_field,
    from_bytes,
)
from moorage.startup import Cause

# A tensor may be as large as memory lets it.
_OPTIONS: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))
_NOT_THERE: Final = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True)
class InferAnswer:
    """What a deployment answered.

    Attributes:
        parameters: what says which revision gave it, by the names that headers of REST have.
    """

    outputs: list[InferOutput]
    parameters: Mapping[str, bool | int | str]


def infer(address: str, deployment: str, tensors: Sequence[InferInput], *, timeout_s: float = 60) -> InferAnswer:
    """The deployment's answer to some tensors.

    Args:
        address: HOST:PORT; not encrypted, as in a cluster.
        deployment: the name under which the model server knows its model.

    Raises:
        InferenceFailed: no answer, or an error.
    """
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        call = channel.unary_unary(
            METHOD,
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelInferResponse.FromString,
        )
        try:
            return _read(call(_request(deployment, tensors), timeout=timeout_s))
        except grpc.RpcError as exc:
            raise _failure(deployment, address, exc) from exc


def _request(deployment: str, tensors: Sequence[InferInput]) -> Any:
    request = ModelInferRequest(model_name=deployment)
    raw = any(tensor.is_raw for tensor in tensors)  # of all, or of none
    for tensor in tensors:
        made = request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=list(tensor.shape))
        for name, value in tensor.parameters.items():
            kind = {bool: "bool_param", int: "int64_param"}.get(type(value), "string_param")
            setattr(made.parameters[name], kind, value)
        if raw:
            request.raw_input_contents.append(as_bytes(tensor))
        else:
            getattr(made.contents, contents_field(tensor.datatype)).extend(as_elements(tensor))
    return request


def _read(response: Any) -> InferAnswer:
    outputs = []
    for number, tensor in enumerate(response.outputs):
        if response.raw_output_contents:
            data = from_bytes(tensor.datatype, response.raw_output_contents[number])
        else:
            data = list(getattr(tensor.contents, contents_field(tensor.datatype)))
        outputs.append(InferOutput(tensor.name, tuple(tensor.shape), tensor.datatype, data))
    told = response.parameters.items()
    return InferAnswer(outputs, {name: getattr(value, value.WhichOneof("parameter_choice")) for name, value in told})


def _failure(deployment: str, address: str, exc: grpc.RpcError) -> InferenceFailed:
    code, said = exc.code(), str(exc.details()).rstrip(".")
    if code in _NOT_THERE:
        return InferenceFailed(
            f"Deployment {deployment!r} does not answer at {address}: {said}.",
            mend=f"See `moorage deployment status {deployment}`.",
        )
    return InferenceFailed(
        f"Deployment {deployment!r} answered {code.name}: {said}.",
        mend=f"See `moorage deployment logs {deployment}`.",
        cause=Cause.PREDICT_ERROR,
    )
