"""What the store holds already of a model: files of its versions, and what publishers left that were cut off."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import Final

from moorage.errors import IntegrityError, NotFound
from moorage.registry.access import Access
from moorage.registry.manifests import Number, give_up, heir_of, numbers, read_claim, state_of
from moorage.registry.record import ManifestState, ModelVersion
from moorage.registry.versions import existing_versions
from moorage.store.base import ObjectInfo

logger = logging.getLogger(__name__)

# Beyond so many versions, and numbers that were given up, nobody looks.
_VERSIONS: Final = 4
_CUT_OFF: Final = 8
# Of so many objects it is found out whether they are the file: for each, a store may have to hash the file anew.
_ALIKE: Final = 8


@dataclass
class Stock:
    """Objects to be copied instead of sent.

    Attributes:
        newest: the largest number of the versions that it holds.
        begun: prefixes of the files of numbers that were given up for the one that is filled: whoever fills it, and
            nobody else, may go on with uploads that were begun there.
    """

    newest: int = 0
    begun: list[str] = field(default_factory=list)
    _written_down: dict[int, dict[str, list[tuple[str, str]]]] = field(default_factory=lambda: defaultdict(dict))
    _left_at: dict[str, list[ObjectInfo]] = field(default_factory=lambda: defaultdict(list))
    _left_of_size: dict[int, list[ObjectInfo]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, access: Access, name: str, versions: list[ModelVersion]) -> Stock:
        """The files of these versions, newest first."""
        stock = cls(newest=versions[0].version if versions else 0)
        for model in versions:
            prefix = access.keys.model_files(name, model.version)
            for file, tag in model.tagged:
                stock._written_down[file.size].setdefault(file.sha256, []).append((prefix + file.path, tag))
        return stock

    def may_hold(self, path: str, size: int) -> bool:
        """Whether it is worth looking for a file of this path and size."""
        return bool(self.written_down(size)) or bool(self.left_like(path, size))

    def written_down(self, size: int) -> Mapping[str, list[tuple[str, str]]]:
        """Keys and tags, by SHA-256, of files of this size that a manifest lists."""
        return self._written_down.get(size, {})

    def left_like(self, path: str, size: int) -> list[ObjectInfo]:
        """What was left by publishers that were cut off and may be a file of this path and size, likeliest first."""
        same_path = [item for item in self._left_at.get(path, []) if item.size == size]
        return list(dict.fromkeys([*same_path, *self._left_of_size.get(size, [])]))[:_ALIKE]

    def add_cut_off(self, access: Access, name: str, *, below: int, idempotency: str, may_give_up: bool) -> None:
        """Adds what was left by publishers that were cut off since the newest version.

        A number whose publisher is gone is given up first, for ever: whatever that publisher still does, it can never
        commit, and so what it left may be used.

        Args:
            below: the number that is to be filled.
            idempotency: who claimed with the same key is another try of the same publish, and is given up too.
            may_give_up: whether to give numbers up, or only use what was given up before.
        """
        # Each number is given up by one write, so it has one heir; what an heir was left itself goes on to its own.
        inherited = {below}
        since = takewhile(lambda number: number.version > self.newest, numbers(access, name))
        for number in islice((number for number in since if number.version < below), _CUT_OFF):
            if not number.settled and not (may_give_up and _give_up(access, name, number, idempotency, below)):
                continue
            # Settled, it may be a version too, committed meanwhile or deleted since.
            if state_of(access, name, number.version) is not ManifestState.ABORTED:
                continue
            prefix = access.keys.model_files(name, number.version)
            self._add_left(access, prefix)
            if heir_of(access, name, number.version) in inherited:
                inherited.add(number.version)
                self.begun.append(prefix)

    def _add_left(self, access: Access, prefix: str) -> None:
        found = list(access.store.list(prefix))
        for item in found:
            self._left_at[item.key.removeprefix(prefix)].append(item)
            self._left_of_size[item.size].append(item)
        logger.info("%d files were left below %r by a publish that was cut off", len(found), prefix)


def newest_versions(access: Access, name: str, *, is_large: bool) -> list[ModelVersion]:
    """The newest versions whose files are looked at: for a large model a few, else the newest alone."""
    return list(islice(existing_versions(access, name), _VERSIONS if is_large else 1))


def _give_up(access: Access, name: str, number: Number, idempotency: str, below: int) -> bool:
    try:
        claim = read_claim(access, name, number.version)
    except (NotFound, IntegrityError):
        # Of whose claim nothing is known, nothing is known to have ended.
        return False
    if not (access.manner.is_gone(claim) or (idempotency and claim.idempotency == idempotency)):
        return False
    reason = f"its publisher was cut off, and version {below} goes on with what it left"
    return give_up(access, name, number.version, reason=reason, heir=below)
