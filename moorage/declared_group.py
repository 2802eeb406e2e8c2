"""What was declared before: a deployment that is no longer declared is told from one that never was.

Only names that a group has declared once can be pruned by it; what people deployed by hand is nobody's to prune.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from moorage.errors import IntegrityError
from moorage.names import check_group_name
from moorage.store.base import ObjectStore
from moorage.store.log import LogEntry, NumberedLog

_FIELD: Final = "deployments"


class DeclaredGroup:
    """Deployments that are declared together, in one folder; the store remembers their names.

    Args:
        name: of the group; another folder that declares deployments of the same project needs another name.
        actor: who acts, for the history.

    Raises:
        InvalidName: a group cannot be called so.
    """

    def __init__(self, store: ObjectStore, project: str, name: str, *, actor: str = "") -> None:
        self._log = NumberedLog(store, f"Projects/{project}/Declared/{check_group_name(name)}/")
        self._actor = actor

    def undeclared(self, declared: Collection[str]) -> list[str]:
        """The names that were declared before, and are not now, sorted."""
        return sorted(_names(self._log.newest()) - set(declared))

    def remember(self, declared: Collection[str], *, pruned: Collection[str] = ()) -> None:
        """Adds what is declared now, and forgets what was pruned; writes nothing where that changes nothing."""

        def decide(newest: LogEntry | None) -> dict[str, Any] | None:
            before = _names(newest)
            after = (before | set(declared)) - set(pruned)
            return None if after == before else {_FIELD: sorted(after)}

        self._log.append(decide, actor=self._actor)


def _names(entry: LogEntry | None) -> set[str]:
    if entry is None:
        return set()
    names = entry.body.get(_FIELD)
    if not isinstance(names, list):
        raise IntegrityError(
            f"Entry {entry.seq} of what was declared before is not one that Moorage wrote.",
            "It lists names of deployments.",
            "A newer Moorage may have written it: use that one.",
        )
    return set(map(str, names))
