"""Whether an answer is what was expected, and where it is not (pure)."""

from __future__ import annotations

import math
from typing import Any


def difference(expected: Any, got: Any, tolerance: float) -> str | None:
    """The first difference, with its path; None when there is none.

    Args:
        expected: plain JSON values.
        got: plain JSON values.
        tolerance: how far a number may lie off, both relative to the larger and absolute.
    """
    return _difference(expected, got, tolerance, "predictions")


def _difference(expected: Any, got: Any, tolerance: float, path: str) -> str | None:
    if _is_number(expected) and _is_number(got):
        return _between_numbers(expected, got, tolerance, path)
    if _is_list(expected) and _is_list(got):
        return _between_lists(expected, got, tolerance, path)
    if isinstance(expected, dict) and isinstance(got, dict):
        return _between_dicts(expected, got, tolerance, path)
    # True == 1 in Python, but not in JSON
    if type(expected) is type(got) and expected == got:
        return None
    return f"{path}: expected {_short(expected)}, got {_short(got)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _between_numbers(expected: float, got: float, tolerance: float, path: str) -> str | None:
    if math.isclose(expected, got, rel_tol=tolerance, abs_tol=tolerance):
        return None
    off = f"{abs(got - expected):.6g}"
    return f"{path}: expected {expected!r}, got {got!r} (off by {off}, tolerance {tolerance!r})"


def _between_lists(expected: Any, got: Any, tolerance: float, path: str) -> str | None:
    if len(expected) != len(got):
        return f"{path}: expected {_counted(len(expected), 'item')}, got {len(got)}: {_short(got)}"
    for index, (one, other) in enumerate(zip(expected, got, strict=True)):
        found = _difference(one, other, tolerance, f"{path}[{index}]")
        if found:
            return found
    return None


def _between_dicts(expected: dict[str, Any], got: dict[str, Any], tolerance: float, path: str) -> str | None:
    for key in expected:
        if key not in got:
            return f"{path}: expected the key {key!r}, got {_listed(got)}"
    for key in got:
        if key not in expected:
            return f"{path}: got the key {key!r}, expected {_listed(expected)}"
    for key, value in expected.items():
        found = _difference(value, got[key], tolerance, f"{path}.{key}")
        if found:
            return found
    return None


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _listed(keys: dict[str, Any]) -> str:
    return f"only {', '.join(map(repr, keys))}" if keys else "none"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:119] + "…"
