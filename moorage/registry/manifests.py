"""Numbers and manifests: which numbers are taken, what became of them, and how one is given up for good.

A version exists if and only if its manifest says `committed`. Whoever wants a number out of the way writes `aborted`
there first: one of the two writes wins, and what lost can never happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

from moorage.errors import NotFound
from moorage.registry.access import Access
from moorage.registry.record import Claim, ManifestState, ModelVersion
from moorage.store.base import ListsWholeFolders, ObjectInfo
from moorage.store.records import read_record, unreadable

_LARGEST_VERSION: Final = 10**10 - 1
# The newest version is asked for all the time, and seldom lies behind many numbers that are open or were given up.
_FIRST_LOOKS: Final = (8, 64)
# So many numbers are looked up one by one where that is faster than a list.
_LOOKED_UP: Final = 64


@dataclass(frozen=True)
class Number:
    """A version number that is taken.

    Attributes:
        settled: there is a manifest: it is committed, or given up, for ever.
        modified: when its newest record was written, in seconds since the epoch, by the store's clock.
    """

    version: int
    settled: bool
    modified: float


def numbers(access: Access, name: str) -> Iterator[Number]:
    """All numbers that are taken, newest first, listed as they are asked for."""
    smallest = _LARGEST_VERSION + 1
    for look in _looks(access, name):
        for number in look:
            if number.version < smallest:
                smallest = number.version
                yield number


def newest_number(access: Access, name: str) -> int:
    """The largest number that is taken, 0 when none is."""
    if isinstance(access.store, ListsWholeFolders) and (newest := _newest_looked_up(access, name)):
        return newest
    for found in access.store.list(access.keys.numbers(name), limit=1):
        return access.keys.number_of(found.key, name)
    return 0


def find_version(access: Access, name: str, version: int) -> ModelVersion | None:
    """The version as it was committed, deleted since or not; None when that number was never committed."""
    outcome = outcome_of(access, name, version)
    return outcome if isinstance(outcome, ModelVersion) else None


def state_of(access: Access, name: str, version: int) -> ManifestState | None:
    """What became of a number; None while that is open."""
    outcome = outcome_of(access, name, version)
    return ManifestState.COMMITTED if isinstance(outcome, ModelVersion) else outcome


def outcome_of(access: Access, name: str, version: int) -> ModelVersion | Literal[ManifestState.ABORTED] | None:
    """What became of a number, by at most one read: the version, or that it was given up; None while that is open.

    Raises:
        IntegrityError: its manifest is none.
    """
    if not 1 <= version <= _LARGEST_VERSION:
        return None
    key = access.keys.manifest(name, version)
    try:
        record = read_record(key, access.get_settled(key))
    except NotFound:
        return None
    return ModelVersion.from_json(key, record) or ManifestState.ABORTED


def read_claim(access: Access, name: str, version: int) -> Claim:
    """The claim to a number; raises NotFound when nobody claimed it."""
    key = access.keys.claim(name, version)
    return Claim.from_json(key, read_record(key, access.store.get(key)))


def fence(access: Access, name: str, version: int, *, reason: str) -> ManifestState:
    """Gives the number up unless it is committed, for ever, and returns which of the two holds."""
    if give_up(access, name, version, reason=reason):
        return ManifestState.ABORTED
    state = state_of(access, name, version)
    if state is None:
        raise unreadable(access.keys.manifest(name, version))
    return state


def give_up(access: Access, name: str, version: int, *, reason: str, heir: int = 0) -> bool:
    """Gives the number up, for ever, unless it is settled already; whether this call did.

    Args:
        heir: the number whose publisher, and nobody else, may go on with uploads that were begun for this one.
    """
    record = {"state": ManifestState.ABORTED, "reason": reason, "heir": heir}
    return access.put(access.keys.manifest(name, version), record)


def heir_of(access: Access, name: str, version: int) -> int:
    """The number whose publisher may go on with uploads of one that was given up; 0 for nobody."""
    key = access.keys.manifest(name, version)
    return int(read_record(key, access.get_settled(key)).get("heir", 0))


def _looks(access: Access, name: str) -> Iterator[Iterable[Number]]:
    """One look after the other, each from the newest number on and further than the one before."""
    prefix = access.keys.numbers(name)
    if isinstance(access.store, ListsWholeFolders):
        newest = newest_number(access, name)
        yield _looked_up(access, name, range(newest, max(newest - _LOOKED_UP, 0), -1))
    else:
        for limit in _FIRST_LOOKS:
            found = list(access.store.list(prefix, limit=limit))
            grouped = list(_grouped(access, name, found))
            if len(found) < limit:
                yield grouped
                return
            # The last number may have been cut in two: its claim in sight, its manifest not.
            yield grouped[:-1]
    yield _grouped(access, name, access.store.list(prefix))


def _newest_looked_up(access: Access, name: str) -> int:
    """The largest number that is taken, by looking up what comes after the newest checkpoint; 0 for ask a list."""
    # Numbers are taken one after the other and never given back, so the first that is free ends them.
    for found in access.store.list(access.keys.checkpoints(name), limit=1):
        known = access.keys.checkpointed(found.key, name)
        if known and _is_taken(access, name, known):
            for version in range(known + 1, known + _LOOKED_UP):
                if not _is_taken(access, name, version):
                    return version - 1
    return 0


def _is_taken(access: Access, name: str, version: int) -> bool:
    keys = access.keys.claim(name, version), access.keys.manifest(name, version)
    return any(access.store.head(key) for key in keys)


def _looked_up(access: Access, name: str, versions: Iterable[int]) -> Iterator[Number]:
    for version in versions:
        claim = access.store.head(access.keys.claim(name, version))
        manifest = access.store.head(access.keys.manifest(name, version))
        found = [record.modified for record in (claim, manifest) if record]
        if found:
            yield Number(version, manifest is not None, max(found))


def _grouped(access: Access, name: str, found: Iterable[ObjectInfo]) -> Iterator[Number]:
    for version, group in groupby(found, key=lambda item: access.keys.number_of(item.key, name)):
        records = list(group)
        settled = any(access.keys.is_manifest(record.key) for record in records)
        yield Number(version, settled, max(record.modified for record in records))
