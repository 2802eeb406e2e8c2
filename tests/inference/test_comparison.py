from __future__ import annotations

import pytest

from moorage.inference.comparison import difference


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (0.5, 0.5 + 1e-9),
        (1, 1.0),
        (1e12, 1e12 + 1),
        (0, 1e-9),
        ([[1, "a"], None], [[1.0, "a"], None]),
        ({"a": [True]}, {"a": [True]}),
        ([1, 2], (1, 2)),
        ([], []),
    ],
)
def test_equal_answers_have_no_difference(expected, got):
    assert difference(expected, got, 1e-6) is None


@pytest.mark.parametrize(
    ("expected", "got", "found"),
    [
        ([[0, 0, 0.5]], [[0, 0, 0.7]], "predictions[0][2]: expected 0.5, got 0.7 (off by 0.2, tolerance 1e-06)"),
        (1, True, "predictions: expected 1, got True"),
        (True, 1, "predictions: expected True, got 1"),
        ("a", "b", "predictions: expected 'a', got 'b'"),
        ("1", 1, "predictions: expected '1', got 1"),
        (None, 0, "predictions: expected None, got 0"),
        ([1], [1, 2], "predictions: expected 1 item, got 2: [1, 2]"),
        ([1], {"a": 1}, "predictions: expected [1], got {'a': 1}"),
        ({"a": 1}, {}, "predictions: expected the key 'a', got none"),
        ({"a": 1}, {"a": 1, "b": 2}, "predictions: got the key 'b', expected only 'a'"),
        ([{"a": [1, 2]}], [{"a": [1, 3]}], "predictions[0].a[1]: expected 2, got 3 (off by 1, tolerance 1e-06)"),
    ],
)
def test_the_first_difference_is_told_with_its_path(expected, got, found):
    assert difference(expected, got, 1e-6) == found


def test_tolerance_is_relative_to_the_larger_number():
    assert difference(1000.0, 1001.0, 0.01) is None
    assert difference(1000.0, 1001.0, 0.0001) is not None


def test_long_values_are_cut():
    found = difference("x" * 500, "y", 0)
    assert found is not None
    assert len(found) < 200
