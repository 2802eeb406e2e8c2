"""What the values of a specification are made of: frozen objects that know their fields, and words in any case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, model_validator

NO_SPELLINGS: Final[Mapping[str, str]] = MappingProxyType({})


class Noun(BaseModel):
    """A frozen value that refuses fields it does not know.

    Attributes:
        spellings: other names that its fields are given by, each with the field's own: Hopsworks' where they differ.
        alone: the field that text in its place is taken for; empty: there must be fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
    spellings: ClassVar[Mapping[str, str]] = NO_SPELLINGS
    alone: ClassVar[str] = ""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """As one would type it: what is as it is by default is left out."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if field.is_required() or value != field.get_default(call_default_factory=True):
                yield name, value

    @model_validator(mode="before")
    @classmethod
    def _by_its_own_names(cls, given: Any) -> Any:
        if isinstance(given, str) and cls.alone:
            return {cls.alone: given}
        if not isinstance(given, Mapping) or not cls.spellings.keys() & given.keys():
            return given
        twice = [name for name in cls.spellings if name in given and cls.spellings[name] in given]
        if twice:
            raise ValueError(f"{twice[0]} is another name of {cls.spellings[twice[0]]}: give one of them")
        return {cls.spellings.get(name, name): value for name, value in given.items()}


class Word(StrEnum):
    """One of a few words, written in capitals and read in any case."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None
