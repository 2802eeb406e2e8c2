"""What goes into a model and what comes out, told from examples by Hopsworks' rules; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage.errors import CallerError
from moorage.training_values import is_array, is_frame, is_series

_KEYS: Final = ("name", "type", "shape", "description")


class Schema:
    """The columns or tensors of a model's inputs, or of its outputs.

    An array is one tensor; of a list whose entries all have a `shape`, each is a tensor; everything else has columns:
    a DataFrame, a Series, a list of `{"name": …, "type": …}`.

    Examples:
        >>> from moorage import Schema
        >>> Schema([{"name": "petal_length", "type": "float"}]).to_dict()
        {'columnar_schema': [{'name': 'petal_length', 'type': 'float'}]}
        >>> Schema([{"type": "float32", "shape": [28, 28]}]).to_dict()
        {'tensor_schema': [{'type': 'float32', 'shape': '[28, 28]'}]}

    Raises:
        CallerError: it can be told from nothing of this kind, or an entry lacks what it must have; names all.
    """

    def __init__(self, object: Any) -> None:  # noqa: A002 -- Hopsworks' word
        self._columns: list[dict[str, str]] | None = None
        self._tensors: list[dict[str, str]] | dict[str, str] | None = None
        if is_frame(object):
            self._columns = [_column(name, kind) for name, kind in zip(object.columns, object.dtypes, strict=True)]
        elif is_series(object):
            self._columns = [_column(object.name, object.dtype)]
        elif is_array(object):
            self._tensors = {"type": str(object.dtype), "shape": str(tuple(object.shape))}
        elif isinstance(object, list):
            self._read(object)
        else:
            raise CallerError(
                f"A schema cannot be told from {type(object).__name__} {str(object)[:80]!r}.",
                "A DataFrame, a Series, an array or a list of dicts was expected.",
                "Give the data that the model was trained on, or [{'name': 'x', 'type': 'float'}].",
            )

    def to_dict(self) -> dict[str, Any]:
        """The schema as the registry keeps it."""
        return {"columnar_schema": self._columns} if self._columns is not None else {"tensor_schema": self._tensors}

    def __repr__(self) -> str:
        return f"Schema({self.to_dict()})"

    def _read(self, entries: list[Any]) -> None:
        is_tensor = all(isinstance(entry, Mapping) and "shape" in entry for entry in entries)
        if wrong := [problem for place, entry in enumerate(entries) if (problem := _problem_with(place, entry))]:
            raise CallerError(
                f"The schema is incomplete: {'; '.join(wrong)}.",
                f"Each entry is a dict with 'type', and may have {', '.join(map(repr, _KEYS))}.",
                "Give each a type.",
            )
        read = [{key: str(entry[key]) for key in _KEYS if entry.get(key) is not None} for entry in entries]
        if is_tensor:
            self._tensors = read
        else:
            self._columns = read


@dataclass(frozen=True)
class ModelSchema:
    """The schemas of a model's inputs and outputs; either may be left out.

    Examples:
        >>> from moorage import ModelSchema, Schema
        >>> ModelSchema(output_schema=Schema([{"name": "species", "type": "str"}])).to_dict()
        {'output_schema': {'columnar_schema': [{'name': 'species', 'type': 'str'}]}}

    Raises:
        CallerError: one of them is no `Schema`.
    """

    input_schema: Schema | None = None
    output_schema: Schema | None = None

    def __post_init__(self) -> None:
        for field, value in vars(self).items():
            if value is not None and not isinstance(value, Schema):
                raise CallerError(
                    f"The {field} is {type(value).__name__} {str(value)[:80]!r}.",
                    "A Schema was expected.",
                    f"Give ModelSchema({field}=Schema(…)).",
                )

    def to_dict(self) -> dict[str, Any]:
        """Both schemas as the registry keeps them."""
        return {field: value.to_dict() for field, value in vars(self).items() if value is not None}


def _column(name: Any, kind: Any) -> dict[str, str]:
    return {"type": str(kind)} if name is None else {"name": str(name), "type": str(kind)}


def _problem_with(place: int, entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return f"entry {place} is {type(entry).__name__} {str(entry)[:80]!r}"
    if entry.get("type") is None:
        return f"entry {place} has no 'type'"
    if unknown := [repr(key) for key in entry if key not in _KEYS]:
        return f"entry {place} has {', '.join(unknown)}"
    return ""
