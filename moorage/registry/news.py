"""What the registry tells whoever listens, once it stands in the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from moorage.registry.record import ModelVersion


@dataclass(frozen=True)
class ModelRegistered:
    """A model version was published that was not there before."""

    model: ModelVersion


@dataclass(frozen=True)
class AliasMoved:
    """An alias of a model points to another version than before.

    Attributes:
        version: the one that it points to now; None: to none.
        entry: number of the entry in the model's references that says so.
    """

    name: str
    alias: str
    version: int | None
    entry: int


News = ModelRegistered | AliasMoved
Tell = Callable[[News], None]


def keep_quiet(_: News) -> None:
    """Tells nobody."""
