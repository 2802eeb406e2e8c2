"""What would change: two states of one object, as people want to read it (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from moorage.serving.cluster.marks import Manifest

# What the API server and controllers keep for themselves; it changes although nothing was asked for.
_NOISE: Final = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "status"}
)
_REVISION: Final = "MOORAGE_REVISION"
_LONGEST: Final = 120


def differences(before: Manifest | None, after: Manifest) -> list[str]:
    """One line for each field that would change; empty where nothing would.

    Args:
        before: as it is; None where it is not.
        after: as it would be, by a dry run: with all defaults and what webhooks add.
    """
    name = f"{after['kind']} {after['metadata']['name']}"
    if before is None:
        return [f"{name}: new"]
    return [f"{name}: {line}" for line in _lines("", _clean(before), _clean(after))]


def _clean(thing: Manifest) -> Manifest:
    metadata = {name: value for name, value in thing["metadata"].items() if name not in _NOISE}
    # the deployment controller counts its own revisions there
    annotations = metadata.get("annotations") or {}
    kept = {name: text for name, text in annotations.items() if not name.startswith("deployment.kubernetes.io/")}
    return {name: value for name, value in thing.items() if name not in _NOISE} | {
        "metadata": metadata | {"annotations": kept}
    }


def _lines(path: str, before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _lines(f"{path}.{key}" if path else str(key), before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list) and _named(before) and _named(after):
        old, new = {each["name"]: each for each in before}, {each["name"]: each for each in after}
        for name in sorted(old.keys() | new.keys()):
            yield from _lines(f"{path}[{name}]", old.get(name), new.get(name))
    elif _REVISION in path:
        return  # the whole revision as text: each of its parts shows elsewhere, or in the ledger
    else:
        yield f"{path}: {_shown(before)} → {_shown(after)}"


def _named(items: list[Any]) -> bool:
    return all(isinstance(each, dict) and "name" in each for each in items)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
