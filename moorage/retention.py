"""Garbage of a whole project: what no version needs any more, and versions beyond those to keep that nothing needs.

The registry knows what points to a version; which versions were ever proven, the ledgers of the deployments tell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from moorage.deployment import Revision
from moorage.errors import IntegrityError
from moorage.ledger import Event, LedgerEntry, deployments_in
from moorage.pinning import pins_wanted, put_pins_right, what_may_run
from moorage.registry import record
from moorage.registry.garbage import Collected, check_options
from moorage.registry.references import Pin, References, with_pins
from moorage.report import size_in_words
from moorage.site import Site

log = logging.getLogger(__name__)

LEASE_S: Final = record.LEASE_S


@dataclass(frozen=True)
class WrongPins:
    """That a deployment does not pin of a model what its ledger says: a run was killed before it could see to that."""

    model: str
    deployment: str
    pinned: frozenset[Pin]
    wanted: frozenset[Pin]

    def __str__(self) -> str:
        many, few = self.pinned - self.wanted, self.wanted - self.pinned
        told = [f"pins {_versions(many)}, not in its ledger"] if many else []
        told += [f"does not pin {_versions(few)} of its ledger"] if few else []
        return f"model {self.model}: deployment {self.deployment} {' and '.join(told)}"


@dataclass(frozen=True)
class Tidied:
    """What garbage collection did, or would do when it was a dry run: what it freed, and which pins it put right."""

    collected: Collected
    pins: tuple[WrongPins, ...] = ()

    @property
    def headline(self) -> str:
        """One sentence: what came of it."""
        collected, done = self.collected, "would be freed" if self.collected.dry_run else "freed"
        if not collected.freed:
            return "nothing to free"
        counted = f"{_counted(collected.versions, 'version')}, {_counted(collected.files, 'file')}"
        return f"{counted}, {size_in_words(collected.size)} {done}"

    @property
    def rows(self) -> list[dict[str, str | int]]:
        """What was freed as a table, the names of its columns with each row; the sums come last."""
        rows: list[dict[str, str | int]] = [
            {
                "model": item.model,
                "version": item.version,
                "why": item.because.replace("_", " ").lower(),
                "files": item.files,
                "bytes": item.size,
            }
            for item in self.collected.freed
        ]
        total = self.collected
        return [*rows, {"model": "total", "version": "", "why": "", "files": total.files, "bytes": total.size}]


def collect_garbage(
    site: Site,
    model: str | None = None,
    *,
    keep: int | None = None,
    dry_run: bool = False,
    lease_s: float = LEASE_S,
    reason: str = "",
) -> Tidied:
    """Puts pins right, and frees what dead publishers left, deleted versions, and versions beyond those to keep.

    Safe at any time, beside deploys and publishers, by any number at once. Never deleted is the newest version of a
    model, what an alias points to, what a deployment may run, and what was ever proven in one that exists.

    Args:
        model: one model; by default all.
        keep: delete versions beyond the newest so many; None deletes none.
        dry_run: change nothing, and return what would be freed.
        lease_s: how long a number that was taken and never published is left alone, in seconds.
        reason: why, for the history of what `keep` deletes.

    Raises:
        CallerError: `keep` or `lease_s` is out of bounds.
        NotFound: there is no such model.
        IntegrityError: the ledger of a deployment cannot be read, so what it needs is not known; only with `keep`.
    """
    check_options(keep, lease_s)
    if model is not None:
        site.registry.check_known(model)
    proven = ProvenVersions(site)
    if keep is not None:
        proven.of("")  # what cannot be read is told before anything is changed
    wrong = tuple(find_wrong_pins(site, site.registry.models() if model is None else [model]))
    for pins in () if dry_run else wrong:
        log.info("%s", pins)
        put_pins_right(site, pins.deployment, [pins.model])
    collected = site.registry.collect_garbage(
        model,
        keep=keep,
        spare=proven.of,
        foresee=lambda name, state: _with_pins_right(name, state, wrong),
        lease_s=lease_s,
        dry_run=dry_run,
        actor=site.actor,
        reason=reason,
    )
    return Tidied(collected, wrong)


def find_wrong_pins(site: Site, models: Iterable[str]) -> Iterator[WrongPins]:
    """Pins of these models that are not what the ledgers say; those under a name without a ledger are not ours."""
    existing = deployments_in(site.store, site.settings.project)
    may_run: dict[str, list[Revision] | None] = {}
    for model in models:
        state = site.registry.references(model).state()
        for deployment in sorted({*existing, *state.pins}):
            if deployment not in may_run:
                may_run[deployment] = _what_may_run(site, deployment)
            revisions = may_run[deployment]
            if revisions is not None:
                pinned, wanted = state.pins_of(deployment), pins_wanted(state, model, revisions)
                if pinned != wanted:
                    yield WrongPins(model, deployment, pinned, wanted)


class ProvenVersions:
    """Model versions that a deployment which exists may go back to; what was read is read again when it changed."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._read: dict[str, tuple[int, frozenset[tuple[str, int]]]] = {}

    def of(self, model: str) -> set[int]:
        """The versions of the model, as of now.

        Raises:
            IntegrityError: the ledger of a deployment cannot be read.
        """
        names = deployments_in(self._site.store, self._site.settings.project)
        return {version for name in names for owner, version in self._needed_by(name) if owner == model}

    def _needed_by(self, deployment: str) -> frozenset[tuple[str, int]]:
        ledger = self._site.ledger(deployment)
        try:
            newest = ledger.newest()
            seq = newest.seq if newest else 0
            if self._read.get(deployment, (None, None))[0] != seq:
                self._read[deployment] = seq, needed(ledger.history())
        except IntegrityError as error:
            raise IntegrityError(
                f"The ledger of deployment {deployment!r} cannot be read, so no version is deleted: {error.what}",
                error.expected,
                error.mend,
            ) from error
        return self._read[deployment][1]


def needed(history: Iterable[LedgerEntry]) -> frozenset[tuple[str, int]]:
    """Model and version of all that was ever proven or promoted, and of what is live or in flight now (pure)."""
    entries = list(history)
    revisions = [entry.state.candidate for entry in entries if entry.event is Event.PROVEN]
    revisions += [entry.state.live for entry in entries if entry.event is Event.PROMOTED]
    revisions += [revision for entry in entries[-1:] for revision in (entry.state.live, entry.state.candidate)]
    return frozenset((revision.model.name, revision.model.version) for revision in revisions if revision)


def _what_may_run(site: Site, deployment: str) -> list[Revision] | None:
    """None where that is not known: there is no ledger, or it cannot be read."""
    ledger = site.ledger(deployment)
    try:
        return None if ledger.newest() is None else what_may_run(ledger)
    except IntegrityError as error:
        log.warning("deployment %s: its pins are left as they are: %s", deployment, error)
        return None


def _with_pins_right(model: str, state: References, wrong: Iterable[WrongPins]) -> References:
    for pins in wrong:
        if pins.model == model:
            state = with_pins(state, pins.deployment, pins.wanted)
    return state


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _versions(pins: Iterable[Pin]) -> str:
    numbers = sorted({pin.version for pin in pins})
    return f"version{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers))}"
