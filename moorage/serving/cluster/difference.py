"""What would change: two states of one object, as people want to read it (pure)."""

from __future__ import annotations

from typing import Final

from moorage.difference import changed_fields
from moorage.serving.cluster.marks import Manifest

# What the API server and controllers keep for themselves; it changes although nothing was asked for.
_NOISE: Final = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", "status"}
)
_REVISION: Final = "MOORAGE_REVISION"


def differences(before: Manifest | None, after: Manifest) -> list[str]:
    """One line for each field that would change; empty where nothing would.

    Args:
        before: as it is; None where it is not.
        after: as it would be, by a dry run: with all defaults and what webhooks add.
    """
    name = f"{after['kind']} {after['metadata']['name']}"
    if before is None:
        return [f"{name}: new"]
    changed = changed_fields(_clean(before), _clean(after))
    # the whole revision as text: each of its parts shows elsewhere, or in the ledger
    return [f"{name}: {path}: {change}" for path, change in changed if _REVISION not in path]


def _clean(thing: Manifest) -> Manifest:
    metadata = {name: value for name, value in thing["metadata"].items() if name not in _NOISE}
    # the deployment controller counts its own revisions there
    annotations = metadata.get("annotations") or {}
    kept = {name: text for name, text in annotations.items() if not name.startswith("deployment.kubernetes.io/")}
    return {name: value for name, value in thing.items() if name not in _NOISE} | {
        "metadata": metadata | {"annotations": kept}
    }
