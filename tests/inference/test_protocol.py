from __future__ import annotations

import base64
import datetime
import enum
import json

import numpy as np
import pandas as pd
import pytest

from moorage.errors import CallerError
from moorage.inference.protocol import (
    answer_body,
    inputs_of,
    jsonable,
    model_path,
    predict_path,
    predictions_of,
    request_body,
)


class Colour(enum.Enum):
    RED = "red"


class Row(dict):
    pass


def test_paths_name_the_deployment():
    assert (model_path("iris"), predict_path("iris")) == ("/v1/models/iris", "/v1/models/iris:predict")


@pytest.mark.parametrize(
    ("inputs", "body"),
    [
        pytest.param([[1, 2], [3, 4]], {"instances": [[1, 2], [3, 4]]}, id="list of lists"),
        pytest.param([{"a": 1}], {"instances": [{"a": 1}]}, id="list of dicts"),
        pytest.param([1, 2], {"instances": [[1, 2]]}, id="one row"),
        pytest.param([[1], 2], {"instances": [[[1], 2]]}, id="any scalar makes it one row"),
        pytest.param(["text"], {"instances": [["text"]]}, id="text is a scalar"),
        pytest.param({"a": 1}, {"instances": [[{"a": 1}]]}, id="one dict"),
    ],
)
def test_inputs_become_a_body(inputs, body):
    assert request_body(inputs=inputs) == body


@pytest.mark.parametrize("inputs", [[], 5, "text", True, 0], ids=repr)
def test_inputs_of_another_shape_are_refused(inputs):
    with pytest.raises(CallerError, match=r"Give inputs=\[\["):
        request_body(inputs=inputs)


@pytest.mark.parametrize(
    "data",
    [
        {"instances": [[1]]},
        {"inputs": [{"a": 1}]},
        {"instances": [[1]], "inputs": "anything", "signature_name": "serving"},
    ],
    ids=["instances", "inputs", "other keys travel"],
)
def test_a_whole_body_is_sent_unchanged(data):
    assert request_body(data=data) == data


@pytest.mark.parametrize(
    "data",
    [{}, {"rows": [[1]]}, {"instances": []}, {"instances": 5}, {"instances": [1]}, {"instances": [[]]}, [[1]]],
    ids=repr,
)
def test_a_body_of_another_shape_is_refused(data):
    with pytest.raises(CallerError, match=r"Give data=\{'instances'"):
        request_body(data=data)


@pytest.mark.parametrize(
    ("given", "said"),
    [({}, "Neither inputs nor data"), ({"inputs": [[1]], "data": {"instances": [[1]]}}, "Both inputs and data")],
)
def test_exactly_one_of_inputs_and_data_is_given(given, said):
    with pytest.raises(CallerError, match=said):
        request_body(**given)


def test_instances_win_over_inputs():
    assert inputs_of({"inputs": [1], "instances": [2]}) == [2]
    assert inputs_of({"inputs": [1]}) == [1]


@pytest.mark.parametrize("body", [{}, {"rows": 1}, [1], "text", None], ids=repr)
def test_a_body_without_inputs_is_refused(body):
    with pytest.raises(CallerError, match=r'Send \{"instances"'):
        inputs_of(body)


def test_a_result_becomes_the_predictions():
    assert answer_body([0, 1]) == {"predictions": [0, 1]}
    assert answer_body({"label": "a"}) == {"predictions": {"label": "a"}}


def test_a_result_with_predictions_is_the_body():
    assert answer_body({"predictions": np.array([1]), "model": "a"}) == {"predictions": [1], "model": "a"}


def test_predictions_are_read_from_an_answer():
    assert predictions_of({"predictions": [1]}) == [1]
    with pytest.raises(CallerError, match=r'Expected \{"predictions"'):
        predictions_of({"error": "no"})


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        pytest.param(np.float32(0.5), 0.5, id="numpy scalar"),
        pytest.param(np.bool_(True), True, id="numpy bool"),
        pytest.param(np.int64(3), 3, id="numpy int"),
        pytest.param(np.array([[1.5, 2], [3, 4]]), [[1.5, 2.0], [3.0, 4.0]], id="array"),
        pytest.param(np.array(["a", "b"]), ["a", "b"], id="array of text"),
        pytest.param(np.array(["2026-01-02"], dtype="datetime64[ns]"), ["2026-01-02T00:00:00"], id="array of dates"),
        pytest.param(np.datetime64("2026-01-02T03:04", "ns"), "2026-01-02T03:04:00", id="numpy date"),
        pytest.param(pd.DataFrame({"a": [1], "b": ["x"]}), [{"a": 1, "b": "x"}], id="data frame"),
        pytest.param(pd.Series([1, 2]), [1, 2], id="series"),
        pytest.param(pd.Series(pd.to_datetime(["2026-01-02"])), ["2026-01-02T00:00:00"], id="series of dates"),
        pytest.param(datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC), "2026-01-02T03:00:00+00:00", id="datetime"),
        pytest.param(datetime.date(2026, 1, 2), "2026-01-02", id="date"),
        pytest.param(b"\x00\xff", base64.b64encode(b"\x00\xff").decode(), id="bytes"),
        pytest.param({3}, [3], id="set"),
        pytest.param((1, [np.int8(2)]), [1, [2]], id="tuple, nested"),
        pytest.param({None: "b", True: "c", np.int64(7): "d"}, {"true": "c", "null": "b", "7": "d"}, id="keys"),
        pytest.param(Row(a=Colour.RED), {"a": "red"}, id="subclass and enum"),
        pytest.param("ship 🚢", "ship 🚢", id="text"),
        pytest.param(None, None, id="none"),
    ],
)
def test_values_become_plain_json(value, plain):
    assert jsonable(value) == plain
    assert json.loads(json.dumps(jsonable(value), allow_nan=False)) == plain


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param([[0.5, float("nan")]], r"predictions\[0\]\[1\] is nan", id="NaN"),
        pytest.param(np.array([1, np.inf]), r"predictions\[1\] is inf", id="infinity in an array"),
        pytest.param(pd.DataFrame({"score": [float("nan")]}), r"predictions\[0\]\.score is nan", id="in a data frame"),
        pytest.param([pd.NaT], r"predictions\[0\] is NaT", id="NaT"),
        pytest.param({"a": {"b": object()}}, r"predictions\.a\.b is of type object", id="object"),
        pytest.param([1 + 2j], r"predictions\[0\] is of type complex", id="complex"),
        pytest.param(2**64, "more than 64 bits", id="huge integer"),
        pytest.param("\ud800", "half a surrogate", id="broken text"),
        pytest.param((n for n in [1]), "of type generator", id="generator"),
        pytest.param({(1, 2): 3}, "named by a tuple", id="key"),
        pytest.param(Row, "of type type", id="class"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value, said):
    with pytest.raises(CallerError, match=said):
        answer_body(value)


def test_the_plain_value_shares_nothing_with_the_given_one():
    given = {"predictions": [[1]]}
    answer_body(given)["predictions"][0].append(2)
    assert given == {"predictions": [[1]]}
