"""Tensors as they are given, sent and answered."""

import copy
from typing import Any

import numpy as np
import pytest

from moorage.errors import CallerError
from moorage.inference.grpc_client import _read, _request
from moorage.inference.tensors import InferInput, InferOutput, as_bytes, from_bytes, tensors_in

ROWS: dict[str, Any] = {"name": "rows", "shape": [2, 2], "datatype": "FP64", "data": [[1.5, 2], [3, 4]]}
EVERY_KIND = [
    ("BOOL", [True, False]),
    ("INT8", [-128, 127]),
    ("INT16", [-300, 300]),
    ("INT32", [-70_000, 70_000]),
    ("INT64", [-(2**63), 2**63 - 1]),
    ("UINT8", [0, 255]),
    ("UINT16", [0, 65_535]),
    ("UINT32", [0, 2**32 - 1]),
    ("UINT64", [0, 2**64 - 1]),
    ("FP16", [0.5, -2.0]),
    ("FP32", [0.25, -2.0]),
    ("FP64", [0.1, -1e300]),
    ("BYTES", [b"petal", b"\xff\x00"]),
]


def sent_back(tensor: InferInput) -> InferOutput:
    """What would be read if the server answered with just what it was asked."""
    from moorage.inference.grpc_messages import ModelInferResponse

    request = _request("echo", [tensor])
    response = ModelInferResponse(model_name="echo", raw_output_contents=request.raw_input_contents)
    response.outputs.extend(request.inputs)
    return _read(response).outputs[0]


@pytest.mark.parametrize(("datatype", "values"), EVERY_KIND)
def test_every_datatype_arrives_as_it_was_given(datatype, values):
    assert sent_back(InferInput("x", [2], datatype, values)).data == values


@pytest.mark.parametrize(("datatype", "values"), EVERY_KIND)
def test_the_raw_form_says_the_same(datatype, values):
    tensor = InferInput("x", [2], datatype, values)
    assert from_bytes(datatype, as_bytes(tensor)) == values


def test_an_array_goes_as_its_bytes_and_comes_back_in_its_shape():
    array = np.array([[1.5, 2.0], [3.0, 4.0]], dtype=np.float32)
    tensor = InferInput("x", array.shape, "FP32", array)
    assert tensor.is_raw
    np.testing.assert_array_equal(sent_back(tensor).as_numpy(), array)


def test_text_goes_as_utf_8():
    assert sent_back(InferInput("x", [2], "BYTES", ["ä", "b"])).data == ["ä".encode(), b"b"]


def test_parameters_go_along():
    request = _request("echo", [InferInput("x", [1], "INT8", [1], {"a": True, "b": 2, "c": "three"})])
    parameters = request.inputs[0].parameters
    assert (parameters["a"].bool_param, parameters["b"].int64_param, parameters["c"].string_param) == (True, 2, "three")


def test_trap_19_what_is_given_stays_as_it_is():
    given = [dict(ROWS), dict(ROWS, name="more")]
    before = copy.deepcopy(given)
    assert [tensor.name for tensor in tensors_in(None, given) or ()] == ["rows", "more"]
    assert given == before


def test_one_dict_is_one_tensor_and_objects_are_taken_as_they_are():
    one = InferInput(**ROWS)
    assert tensors_in(None, ROWS) == [one]
    assert tensors_in([one], None) == [one]


@pytest.mark.parametrize(
    ("data", "inputs"), [(None, [[1, 2]]), (None, {"sepal": 1}), (None, [{"sepal": 1}]), ({"instances": [[1]]}, None)]
)
def test_rows_and_bodies_are_no_tensors(data, inputs):
    assert tensors_in(data, inputs) is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"shape": [3, 2]}, r"has 4 elements, and shape \[3, 2\] holds 6"),
        ({"datatype": "FP8"}, "has datatype 'FP8'. There are BOOL"),
        ({"data": np.array([1, 2, 3, 4])}, "is an array of int64, and its datatype FP64"),
        ({"colour": "red"}, "A tensor was given with the keys name, shape, datatype, data, colour"),
    ],
)
def test_what_a_tensor_says_of_itself_must_be_so(wrong, told):
    with pytest.raises(CallerError, match=told):
        tensors_in(None, ROWS | wrong)


def test_tensors_and_rows_do_not_mix():
    with pytest.raises(CallerError, match="with tensors and something else together"):
        tensors_in(None, [ROWS, [1, 2]])
