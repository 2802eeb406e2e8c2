"""What stands newest of many models, by few reads: enough to tell that nothing changed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from moorage.names import LATEST
from moorage.registry.access import Access
from moorage.registry.keys import Keys
from moorage.registry.reference_log import ReferenceLog
from moorage.registry.references import References
from moorage.store.newest import first_keys

# Claims and manifests: newer numbers that are being filled, or were given up, are few.
_LOOKED_AT: Final = 8


@dataclass(frozen=True)
class Overview:
    """What stands newest of one model.

    Attributes:
        newest: the largest number that is settled; 0 where none of the newest few is.
        references: what points to its versions.
    """

    newest: int
    references: References

    def is_still(self, asked: int | str, version: int) -> bool:
        """Whether a number, an alias or 'latest' means this version, which was committed once.

        False also where that cannot be told from here; `Registry.get` can.
        """
        if version in self.references.deleted:
            return False
        if asked == LATEST:
            return self.newest == version
        if isinstance(asked, str) and not asked.isdecimal():
            return self.references.aliases.get(asked) == version
        return int(asked) == version


def overviews(access: Access, names: Collection[str]) -> dict[str, Overview]:
    """By name, what stands newest of each model; one that never had a number is left out."""
    keys = access.keys
    folders = [folder for name in names for folder in (_numbers(name), _references(name))]
    found = first_keys(access.store, keys.registry, folders, each=_LOOKED_AT)
    known = [name for name in names if _numbers(name) in found]
    states = access.each(lambda name: _state(access, name, found.get(_references(name))), known)
    return {
        name: Overview(_newest(keys, name, found[_numbers(name)]), state)
        for name, state in zip(known, states, strict=True)
    }


def _numbers(name: str) -> str:
    return f"{name}/v"


def _references(name: str) -> str:
    return f"{name}/r"


def _state(access: Access, name: str, newest_first: list[str] | None) -> References:
    return ReferenceLog(access, name).state_at(newest_first[0]) if newest_first else References()


def _newest(keys: Keys, name: str, newest_first: list[str]) -> int:
    return next((keys.number_of(key, name) for key in newest_first if keys.is_manifest(key)), 0)
