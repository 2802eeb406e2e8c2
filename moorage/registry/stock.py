"""What the store holds already of a model: files of its versions, and what publishers left that were cut off."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Final

from moorage.errors import NotFound
from moorage.registry.access import Access
from moorage.registry.manifests import Number, fence, numbers, read_claim
from moorage.registry.record import ManifestState, ModelVersion
from moorage.registry.versions import existing_versions
from moorage.store.base import ObjectInfo

logger = logging.getLogger(__name__)

# Beyond so many versions, and numbers that were given up, nobody looks.
_VERSIONS: Final = 4
_CUT_OFF: Final = 8


@dataclass(frozen=True)
class Held:
    """An object in the store; `sha256` is empty where no manifest says it."""

    info: ObjectInfo
    sha256: str = ""


@dataclass
class Stock:
    """Objects to be copied instead of sent.

    Attributes:
        newest: the largest number of the versions that it holds.
        cut_off: prefixes of the files of numbers that were given up: uploads may have been begun there.
    """

    newest: int = 0
    by_size: dict[int, list[Held]] = field(default_factory=lambda: defaultdict(list))
    cut_off: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, access: Access, name: str, versions: list[ModelVersion]) -> Stock:
        """The files of these versions, newest first."""
        stock = cls(newest=versions[0].version if versions else 0)
        for model in versions:
            prefix = access.keys.model_files(name, model.version)
            for file in model.files:
                stock.by_size[file.size].append(Held(ObjectInfo(prefix + file.path, file.size, 0), file.sha256))
        return stock

    def of_size(self, size: int) -> Iterator[Held]:
        """What may be the same as a file of this size, what is known by its SHA-256 first."""
        yield from sorted(self.by_size.get(size, []), key=lambda held: not held.sha256)

    def add_cut_off(self, access: Access, name: str, *, below: int, idempotency: str, may_give_up: bool) -> None:
        """Adds what was left by publishers that were cut off since the newest version.

        A number whose publisher is gone is given up first, for ever: whatever that publisher still does, it can never
        commit, and so what it left may be used.

        Args:
            below: the number that is to be filled.
            idempotency: who claimed with the same key is another try of the same publish, and is given up too.
            may_give_up: whether to give numbers up, or only use what was given up before.
        """
        since = takewhile(lambda number: number.version > self.newest, numbers(access, name))
        for number in islice((number for number in since if number.version < below), _CUT_OFF):
            # After the newest version, what is settled was aborted, or deleted since.
            if number.settled or (may_give_up and _give_up(access, name, number, idempotency, below)):
                self._add(access, access.keys.model_files(name, number.version))

    def _add(self, access: Access, prefix: str) -> None:
        found = list(access.store.list(prefix))
        for item in found:
            self.by_size[item.size].append(Held(item))
        self.cut_off.append(prefix)
        logger.info("%d files were left below %r by a publish that was cut off", len(found), prefix)


def newest_versions(access: Access, name: str, *, is_large: bool) -> list[ModelVersion]:
    """The newest versions whose files are looked at: for a large model a few, else the newest alone."""
    return list(islice(existing_versions(access, name), _VERSIONS if is_large else 1))


def _give_up(access: Access, name: str, number: Number, idempotency: str, below: int) -> bool:
    try:
        claim = read_claim(access, name, number.version)
    except NotFound:
        return False
    if not (access.manner.is_gone(claim) or (idempotency and claim.idempotency == idempotency)):
        return False
    reason = f"its publisher was cut off, and version {below} goes on with what it left"
    return fence(access, name, number.version, reason=reason) is ManifestState.ABORTED
