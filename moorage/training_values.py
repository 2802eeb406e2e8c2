"""What training has in its hands, arrays and frames and metrics, as the plain values that a record can hold; pure.

Numpy and pandas are known by what their objects can do, and never imported: who has none needs none.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from moorage.errors import CallerError


def metrics_of(metrics: Any) -> dict[str, float]:
    """The training metrics as numbers.

    Raises:
        CallerError: it is no mapping, a key is no text, or `float()` makes no finite number of a value; names all.
    """
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise CallerError(
            f"Metrics are {type(metrics).__name__} {metrics!r}.", "A dict was expected.", "Give {'accuracy': 0.97}."
        )
    wrong = [problem for name, value in metrics.items() if (problem := _problem_with_metric(name, value))]
    if wrong:
        raise CallerError(
            f"Metrics cannot be kept: {'; '.join(wrong)}.",
            "Each has a text as its name and a finite number as its value.",
            "Leave them out, or give numbers.",
        )
    return {name: float(value) for name, value in metrics.items()}


def input_example_of(example: Any) -> Any:
    """One request's inputs as JSON can hold them: of a frame its first row, of an array or a series its values.

    Raises:
        CallerError: it is empty, or none of DataFrame, Series, array, list and dict.
    """
    if example is None:
        return None
    if not is_frame(example) and not is_array(example) and not isinstance(example, list | tuple | Mapping):
        raise CallerError(
            f"The input example is {type(example).__name__} {str(example)[:80]!r}.",
            "A DataFrame, a Series, an array, a list or a dict was expected.",
            "Put it into a list.",
        )
    if len(example) == 0:
        raise CallerError("The input example is empty.", "", "Give one row, or leave it out.")
    return [plain(example.iloc[0, place]) for place in range(example.shape[1])] if is_frame(example) else plain(example)


def plain(value: Any) -> Any:
    """The value with lists for arrays, numbers for numpy's, ISO text for times and Base64 text for bytes."""
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        # To microseconds, which is what Python's own times hold: numpy makes integers of finer ones.
        is_time = getattr(getattr(value, "dtype", None), "kind", "") == "M" and hasattr(value, "astype")
        return plain((value.astype("datetime64[us]") if is_time and not is_series(value) else value).tolist())
    return value


def is_frame(value: Any) -> bool:
    """Whether it is a table such as pandas' DataFrame."""
    return hasattr(value, "iloc") and hasattr(value, "columns")


def is_series(value: Any) -> bool:
    """Whether it is a column such as pandas' Series."""
    return hasattr(value, "iloc") and not hasattr(value, "columns")


def is_array(value: Any) -> bool:
    """Whether it is an array such as numpy's, or a column, with one dimension at least."""
    return hasattr(value, "tolist") and hasattr(value, "dtype") and len(getattr(value, "shape", ())) > 0


def _problem_with_metric(name: Any, value: Any) -> str:
    if not isinstance(name, str):
        return f"the name {name!r} is {type(name).__name__}"
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return f"{name!r} is {type(value).__name__} {str(value)[:80]!r}"
    return "" if math.isfinite(number) else f"{name!r} is {number}"
