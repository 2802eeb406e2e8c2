from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from moorage.errors import CallerError
from moorage.training_values import input_example_of, metrics_of, plain


def test_metrics_become_numbers():
    assert metrics_of({"a": 1, "b": "0.5", "c": True, "d": np.float32(0.25)}) == {"a": 1, "b": 0.5, "c": 1, "d": 0.25}
    assert metrics_of(None) == {}


BAD_METRICS = {
    "a list": ([0.5], r"Metrics are list \[0.5\]"),
    "a key that is no text": ({7: 0.5}, "the name 7 is int"),
    "text": ({"accuracy": "high"}, "'accuracy' is str 'high'"),
    "nothing": ({"accuracy": None}, "'accuracy' is NoneType 'None'"),
    "a list as a value": ({"accuracy": [0.5]}, r"'accuracy' is list '\[0.5\]'"),
    "nan": ({"accuracy": float("nan")}, "'accuracy' is nan"),
    "infinity": ({"loss": np.inf}, "'loss' is inf"),
    "a number beyond all floats": ({"loss": 10**400}, "'loss' is int '1000"),
    "two of them": ({"a": "x", "b": "y"}, "'a' is str 'x'; 'b' is str 'y'"),
}


@pytest.mark.parametrize(("metrics", "message"), BAD_METRICS.values(), ids=BAD_METRICS.keys())
def test_a_metric_that_is_no_finite_number_is_named_with_its_value(metrics, message):
    with pytest.raises(CallerError, match=message):
        metrics_of(metrics)


FRAME = pd.DataFrame({"n": [1, 2], "x": [0.5, 1.5], "t": pd.to_datetime(["2025-03-09", "2025-03-10"]), "s": ["a", "b"]})
EXAMPLES = {
    "the first row of a frame, each value as it is": (FRAME, [1, 0.5, "2025-03-09T00:00:00", "a"]),
    "a series": (FRAME["n"], [1, 2]),
    "an array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "an array of times": (np.array(["2025-03-09"], "datetime64[ns]"), ["2025-03-09T00:00:00"]),
    "a list with numpy's numbers": ([np.int64(3), np.bool_(True), np.float32(0.5)], [3, True, 0.5]),
    "a dict with bytes": ({"image": b"\x00\xff"}, {"image": "AP8="}),
    "times in a list": (
        [date(2025, 3, 9), datetime(2025, 3, 9, 8, tzinfo=UTC)],
        ["2025-03-09", "2025-03-09T08:00:00+00:00"],
    ),
    "nothing": (None, None),
}


@pytest.mark.parametrize(("example", "expected"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_an_input_example_becomes_plain(example, expected):
    found = input_example_of(example)
    assert found == expected
    assert repr(found) == repr(expected)  # 3 and numpy's 3 are equal, and JSON holds only the one


BAD_EXAMPLES = {
    "text": ("abc", "is str 'abc'. A DataFrame, a Series"),
    "a number": (np.float64(1), "is float64 '1.0'"),
    "an empty list": ([], "is empty"),
    "an empty frame": (FRAME[:0], "is empty"),
    "an empty array": (np.array([]), "is empty"),
}


@pytest.mark.parametrize(("example", "message"), BAD_EXAMPLES.values(), ids=BAD_EXAMPLES.keys())
def test_what_is_no_input_example_is_refused(example, message):
    with pytest.raises(CallerError, match=message):
        input_example_of(example)


def test_one_time_of_numpys_is_iso_text():
    assert plain(np.datetime64("2025-03-09T08:07:06")) == "2025-03-09T08:07:06"
