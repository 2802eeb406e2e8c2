"""What is logged of one exchange, and the Avro schemas it is written by (pure).

The fields are those of Hopsworks' schema `inferenceschema`: version 4 has an event for the request and one for the
answer, version 3 both in one. Which revision answered is ours beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage.components import LogMode
from moorage.deployment import Revision
from moorage.predictor import ServingTool

NAME: Final = "inferenceschema"
REQUEST: Final = "request"
RESPONSE: Final = "response"
_BOTH_IN_ONE: Final = 3
_ONE_EACH: Final = 4

_FIELDS: Final[Mapping[int, Mapping[str, str]]] = {
    _BOTH_IN_ONE: {
        "modelId": "string",
        "modelName": "string",
        "modelVersion": "int",
        "requestTimestamp": "long",
        "responseHttpCode": "int",
        "inferenceRequest": "string",
        "inferenceResponse": "string",
        "modelServer": "string",
        "servingTool": "string",
    },
    _ONE_EACH: {
        "servingId": "string",
        "modelName": "string",
        "modelVersion": "int",
        "requestTimestamp": "long",
        "responseHttpCode": "int",
        "inferenceId": "string",
        "messageType": "string",
        "payload": "string",
    },
}


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        inference_id: the same on both, and in the answer's headers.
        at_ms: when the request came, in milliseconds since 1970.
        status: the answer's HTTP status.
        request, response: the bodies, as JSON; empty where the mode logs no such half.
    """

    inference_id: str
    at_ms: int
    status: int
    request: str
    response: str


def schema_version(tool: ServingTool) -> int:
    """Which version a serving tool logs by: plain Kubernetes has one event for both, as in Hopsworks."""
    return _BOTH_IN_ONE if tool is ServingTool.KUBERNETES else _ONE_EACH


def schema(version: int) -> dict[str, Any]:
    """The Avro schema of that version, which is written in it."""
    fields = [{"name": name, "type": kind} for name, kind in _FIELDS[version].items()]
    ours = {"name": "revision", "type": "int", "default": 0, "doc": "number of the revision that answered"}
    return {"type": "record", "name": NAME, "version": version, "fields": [*fields, ours]}


def problem_with(found: Mapping[str, Any], tool: ServingTool) -> str:
    """Why what is logged there cannot be written by a schema that a topic has; empty where it can."""
    wanted, version = schema_version(tool), found.get("version")
    if found.get("name") != NAME:
        return f"its schema is {found.get('name')!r}, not {NAME!r}"
    if version != wanted:
        return f"its schema {NAME!r} has version {version}, not {wanted}"
    return ""


def records(revision: Revision, exchange: Exchange) -> list[dict[str, Any]]:
    """The events of one exchange, as the revision's mode and serving tool want them."""
    logger = revision.inference_logger
    if logger is None or not logger.logs:
        return []
    common = {
        "modelName": revision.model.name,
        "modelVersion": revision.model.version,
        "requestTimestamp": exchange.at_ms,
        "responseHttpCode": exchange.status,
        "revision": revision.number,
    }
    if schema_version(revision.serving_tool) == _BOTH_IN_ONE:
        both = {
            "modelId": revision.model.digest,
            "inferenceRequest": exchange.request,
            "inferenceResponse": exchange.response,
            "modelServer": revision.model_server.value,
            "servingTool": revision.serving_tool.value,
        }
        return [common | both]
    common |= {"servingId": revision.deployment, "inferenceId": exchange.inference_id}
    wanted = {
        REQUEST: (exchange.request, LogMode.MODEL_INPUTS),
        RESPONSE: (exchange.response, LogMode.PREDICTIONS),
    }
    return [
        common | {"messageType": kind, "payload": payload}
        for kind, (payload, mode) in wanted.items()
        if logger.mode in (LogMode.ALL, mode)
    ]
