"""What a list of versions tells of each, whole records and short ones alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Summary(Protocol):
    """What is known of a model version without reading its record."""

    @property
    def version(self) -> int: ...
    @property
    def framework(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def metrics(self) -> Mapping[str, float]: ...
    @property
    def description(self) -> str: ...
    @property
    def created_at(self) -> str: ...
    @property
    def created_by(self) -> str: ...
