"""The messages of the V2 protocol's ModelInfer, described here: nothing that others load clashes with them.

Two packages that describe messages of one name cannot be loaded together, and KServe's own would have to be imported
with all of its server. The fields and their numbers are the protocol's:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

METHOD: Final = "/inference.GRPCInferenceService/ModelInfer"
_Field = descriptor_pb2.FieldDescriptorProto
_Message = descriptor_pb2.DescriptorProto
_TYPES: Final = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "float": _Field.TYPE_FLOAT,
    "double": _Field.TYPE_DOUBLE,
}
# In the order of their numbers, from 1; * marks what is repeated, and "map" the parameters by name.
_MESSAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "InferParameter": {"bool_param": "bool", "int64_param": "int64", "string_param": "string"},
    "InferTensorContents": {
        "bool_contents": "*bool",
        "int_contents": "*int32",
        "int64_contents": "*int64",
        "uint_contents": "*uint32",
        "uint64_contents": "*uint64",
        "fp32_contents": "*float",
        "fp64_contents": "*double",
        "bytes_contents": "*bytes",
    },
    "Tensor": {
        "name": "string",
        "datatype": "string",
        "shape": "*int64",
        "parameters": "map",
        "contents": "InferTensorContents",
    },
    "RequestedOutput": {"name": "string", "parameters": "map"},
    "ModelInferRequest": {
        "model_name": "string",
        "model_version": "string",
        "id": "string",
        "parameters": "map",
        "inputs": "*Tensor",
        "outputs": "*RequestedOutput",
        "raw_input_contents": "*bytes",
    },
    "ModelInferResponse": {
        "model_name": "string",
        "model_version": "string",
        "id": "string",
        "parameters": "map",
        "outputs": "*Tensor",
        "raw_output_contents": "*bytes",
    },
}
_ONE_OF: Final = "InferParameter"


def _described(name: str, fields: Mapping[str, str]) -> descriptor_pb2.DescriptorProto:
    message = _Message(name=name)
    if name == _ONE_OF:
        message.oneof_decl.add(name="parameter_choice")
    for number, (field, kind) in enumerate(fields.items(), start=1):
        plain = kind.removeprefix("*")
        made = message.field.add(name=field, number=number, label=_Field.LABEL_OPTIONAL)
        if kind == "map":
            entry = message.nested_type.add(name="ParametersEntry", options={"map_entry": True})
            entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
            entry.field.add(
                name="value",
                number=2,
                label=_Field.LABEL_OPTIONAL,
                type=_Field.TYPE_MESSAGE,
                type_name=".inference.InferParameter",
            )
            made.type_name = f".inference.{name}.ParametersEntry"
        elif plain in _MESSAGES:
            made.type_name = f".inference.{plain}"
        made.type = _TYPES.get(plain, _Field.TYPE_MESSAGE)
        if kind.startswith("*") or kind == "map":
            made.label = _Field.LABEL_REPEATED
        if name == _ONE_OF:
            made.oneof_index = 0
    return message


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="moorage/v2.proto", package="inference", syntax="proto3")
    file.message_type.extend(_described(name, fields) for name, fields in _MESSAGES.items())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    named = {name: pool.FindMessageTypeByName(f"inference.{name}") for name in _MESSAGES}
    return {name: message_factory.GetMessageClass(found) for name, found in named.items()}


_CLASSES: Final = _classes()
ModelInferRequest: Final = _CLASSES["ModelInferRequest"]
ModelInferResponse: Final = _CLASSES["ModelInferResponse"]
