"""Two states of one thing in plain values, and what is different about them, as people want to read it (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

_LONGEST: Final = 120


def changed_fields(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and change of each field that differs: `resources.requests.cores`, `0.5 → 1`.

    Lists whose items all have a `name` are compared by it, whatever their order.
    """
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from changed_fields(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(before, list) and isinstance(after, list) and _named(before) and _named(after):
        old, new = {each["name"]: each for each in before}, {each["name"]: each for each in after}
        for name in sorted(old.keys() | new.keys()):
            yield from changed_fields(old.get(name), new.get(name), f"{path}[{name}]")
    else:
        yield path, f"{_shown(before)} → {_shown(after)}"


def _named(items: list[Any]) -> bool:
    return all(isinstance(each, dict) and "name" in each for each in items)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
