"""Garbage collection: frees what no version needs, at any time, by anybody, beside any number of publishers.

It gives a number up before it removes a file of it, so a publisher that was only slow loses its number and never a
committed file. The lease is politeness: no clock decides what may be removed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from moorage.errors import CallerError, StoreRefused
from moorage.registry.access import Access
from moorage.registry.checkpoints import committed_by_number
from moorage.registry.manifests import Number, fence, numbers, state_of
from moorage.registry.record import ManifestState
from moorage.registry.reference_log import ReferenceLog
from moorage.registry.references import References, beyond_newest
from moorage.store.base import KeepsUnfinishedUploads, ObjectInfo

logger = logging.getLogger(__name__)


class FreedBecause(StrEnum):
    """Why the files of a number are no longer needed."""

    ABANDONED = "ABANDONED"
    DELETED = "DELETED"
    BEYOND_KEPT = "BEYOND_KEPT"


@dataclass(frozen=True)
class Freed:
    """What was freed of one number; `size` in bytes. No files: the number only was given up, or deleted."""

    model: str
    version: int
    because: FreedBecause
    files: int
    size: int


@dataclass(frozen=True)
class Collected:
    """What garbage collection freed, or would free when it was a dry run."""

    freed: tuple[Freed, ...]
    dry_run: bool

    @property
    def versions(self) -> int:
        """How many numbers something was freed of."""
        return len(self.freed)

    @property
    def files(self) -> int:
        """How many objects."""
        return sum(item.files for item in self.freed)

    @property
    def size(self) -> int:
        """How many bytes."""
        return sum(item.size for item in self.freed)


class Collector:
    """Frees what no version of one model needs; each step is a function of its own, so that a checker can spoil it.

    Args:
        lease_s: how old a claim without a manifest must be, in seconds.
        now: seconds since the epoch; compared with the store's times for the lease only.
        keep: how many of the newest versions to keep beside those that something points to; None keeps all.
        spare: says which versions to keep besides; asked after the references were read.
        foresee: what the references will be by the time that versions are deleted; only a dry run asks.
    """

    def __init__(
        self,
        access: Access,
        name: str,
        *,
        lease_s: float,
        now: float,
        keep: int | None = None,
        spare: Callable[[], Collection[int]] = tuple,
        foresee: Callable[[References], References] = lambda state: state,
        dry_run: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> None:
        check_options(keep, lease_s)
        self._access = access
        self._name = name
        self._lease_s = lease_s
        self._now = now
        self._keep = keep
        self._spare = spare
        self._foresee = foresee
        self._dry_run = dry_run
        self._actor = actor
        self._reason = reason

    def collect(self) -> list[Freed]:
        """What was freed, newest number first; in a dry run what would be, and nothing is changed."""
        committed = committed_by_number(self._access, self._name)
        retired = self._retire(sorted(committed))
        deleted = ReferenceLog(self._access, self._name).state().deleted
        freed: list[Freed | None] = []
        for number in numbers(self._access, self._name):
            if number.version in retired:
                freed.append(self._free(number, FreedBecause.BEYOND_KEPT, is_news=True))
            elif number.version in deleted:
                freed.append(self._free(number, FreedBecause.DELETED, is_news=False))
            elif number.version not in committed and self._is_given_up(number):
                freed.append(self._free(number, FreedBecause.ABANDONED, is_news=not number.settled))
        return [item for item in freed if item]

    def _retire(self, committed: list[int]) -> list[int]:
        if self._keep is None:
            return []
        references = ReferenceLog(self._access, self._name)
        if self._dry_run:
            return beyond_newest(self._foresee(references.state()), committed, self._keep, spare=self._spare)
        reason = "; ".join(filter(None, (f"only the newest {self._keep} are kept", self._reason)))
        return references.retain(committed, self._keep, spare=self._spare, actor=self._actor, reason=reason)

    def _is_given_up(self, number: Number) -> bool:
        # G1: a claim within its lease is left alone; G2: the fence, which loses against a commit.
        if number.settled:
            return state_of(self._access, self._name, number.version) is ManifestState.ABORTED
        if self._now - number.modified < self._lease_s:
            return False
        return self._dry_run or self._fence(number.version) is ManifestState.ABORTED

    def _fence(self, version: int) -> ManifestState:
        return fence(self._access, self._name, version, reason="its publisher was taken for dead")

    def _free(self, number: Number, because: FreedBecause, *, is_news: bool) -> Freed | None:
        # G3, G4: swept on every run, because a publisher that was taken for dead may still be sending.
        found = self._remove(self._access.keys.version_files(self._name, number.version))
        if not found and not is_news:
            return None
        logger.info("Model %r version %d: %d files freed, %s", self._name, number.version, len(found), because)
        return Freed(self._name, number.version, because, len(found), sum(item.size for item in found))

    def _remove(self, prefix: str) -> list[ObjectInfo]:
        if self._dry_run:
            return list(self._access.store.list(prefix))
        self._abort_uploads(prefix)
        return self._access.remove(prefix)

    def _abort_uploads(self, prefix: str) -> None:
        store = self._access.store
        if not isinstance(store, KeepsUnfinishedUploads):
            return
        try:
            store.abort_uploads(prefix)
        except StoreRefused as refusal:
            # Objects can be freed all the same; a rule of the bucket may abort what was never finished.
            logger.warning("Unfinished uploads, if there are any, still take space: %s", refusal)


def check_options(keep: int | None, lease_s: float) -> None:
    """Raises CallerError when nothing could be kept by `keep`, or `lease_s` is no time."""
    if keep is not None and keep < 1:
        raise CallerError(f"keep is {keep}.", "The newest version is always kept.", "Give 1 or more, or None.")
    if not lease_s >= 0:
        raise CallerError(f"lease_s is {lease_s}.", "It is a time in seconds.", "Give 0 or more.")


def models_with_numbers(access: Access) -> list[str]:
    """The models that a number was ever taken of, sorted."""
    return sorted({access.keys.model_of(found.key) for found in access.store.list(access.keys.registry)})
