"""Checkpoints: all that is settled up to some version, in one object, so that a long list takes one read.

Derived, and never needed: what became of a number never changes, so a checkpoint can be old but not wrong. What was
open when it was written is named in it, and looked up by whoever reads it. Deletions are not in it: they stand in the
references log.
"""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

import pydantic_core

from moorage.errors import IntegrityError, MoorageError, NotFound
from moorage.registry.access import Access
from moorage.registry.manifests import find_version, newest_number, outcome_of
from moorage.registry.record import ManifestState, ModelVersion, VersionSummary
from moorage.store.records import unreadable

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# A version that says so much is read by itself: a checkpoint holds every version that there ever was.
MAX_ROW_BYTES: Final = 8 << 10
# One to read, and the one before it for whoever found its key just before it was superseded.
KEPT: Final = 2
# Each try that finds nothing means that two newer ones were written in the moment between a list and a read.
_TRIES: Final = 3
# Everything but the name, which is the same for all.
_COLUMNS: Final = VersionSummary._fields[1:]


@dataclass(frozen=True)
class Checkpoint:
    """What became of the numbers up to `version`.

    Attributes:
        committed: versions by number, deleted or not.
        others: numbers to be looked up: open when it was written, or too large for it. All that are named nowhere
            were given up.
    """

    version: int = 0
    committed: dict[int, VersionSummary] = field(default_factory=dict)
    others: tuple[int, ...] = ()


def newest_checkpoint(access: Access, name: str) -> Checkpoint:
    """The newest checkpoint that can be read; an empty one when there is none."""
    for _ in range(_TRIES):
        try:
            return _first_readable(access, name)
        except NotFound:
            continue
    return Checkpoint()


def committed_by_number(access: Access, name: str) -> dict[int, VersionSummary]:
    """All versions that were ever committed, deleted or not: the newest checkpoint and what came after it."""
    return committed_beside(access, name, lambda: None)[0]


def committed_beside(
    access: Access, name: str, first: Callable[[], Result]
) -> tuple[dict[int, VersionSummary], Result]:
    """The same, and what `first` returns: all that was committed when it had returned is there."""

    def begin() -> tuple[Result, int]:
        result = first()
        return result, newest_number(access, name)

    # A checkpoint can be old, so it may be read before.
    (result, newest), checkpoint = access.both(begin, lambda: newest_checkpoint(access, name))
    wanted = [*checkpoint.others, *range(checkpoint.version + 1, newest + 1)]
    found = access.each(lambda version: find_version(access, name, version), wanted)
    later = {model.version: model.summary for model in found if model is not None}
    return checkpoint.committed | later, result


def write_checkpoint(access: Access, name: str, version: int) -> None:
    """Writes down what is settled up to `version`, as well as it goes: nobody relies on it."""
    try:
        before = newest_checkpoint(access, name)
        if before.version >= version:
            return
        content = _packed(_compile(access, name, before, version))
        access.store.put_if_absent(access.keys.checkpoint(name, version), content)
    except MoorageError as error:
        logger.warning("No checkpoint of model %r was written: %s", name, error)
        return
    _remove_superseded(access, name)


def _first_readable(access: Access, name: str) -> Checkpoint:
    for found in access.store.list(access.keys.checkpoints(name), limit=KEPT):
        try:
            return _read(access, name, found.key)
        except IntegrityError as error:
            # All that it says stands in the manifests too.
            logger.warning("A checkpoint of model %r is ignored: %s", name, error)
    return Checkpoint()


def _compile(access: Access, name: str, before: Checkpoint, version: int) -> Checkpoint:
    # Every number since, and not only those that a list shows: what is not known to be settled must be named.
    numbers_since = sorted({*before.others, *range(before.version + 1, version + 1)})
    committed = dict(before.committed)
    others = []
    # One read each: asked twice, a number could be open first, and then not given up.
    outcomes = access.each(lambda number: outcome_of(access, name, number), numbers_since)
    for number, outcome in zip(numbers_since, outcomes, strict=True):
        if isinstance(outcome, ModelVersion) and len(json.dumps(outcome.summary)) <= MAX_ROW_BYTES:
            committed[number] = outcome.summary
        elif outcome is not ManifestState.ABORTED:
            others.append(number)
    return Checkpoint(version, committed, tuple(others))


def _remove_superseded(access: Access, name: str) -> None:
    try:
        for found in list(access.store.list(access.keys.checkpoints(name)))[KEPT:]:
            access.store.delete(found.key)
    except MoorageError as error:
        logger.warning("Old checkpoints of model %r stay, of no use to anybody: %s", name, error)


def _packed(checkpoint: Checkpoint) -> bytes:
    # Column by column: ten thousand rows are read in two thirds of the time.
    columns = zip(*checkpoint.committed.values(), strict=True)
    by_field = dict(zip(VersionSummary._fields, columns, strict=True)) if checkpoint.committed else {}
    record = {
        "version": checkpoint.version,
        "committed": {column: by_field.get(column, ()) for column in _COLUMNS},
        "others": checkpoint.others,
    }
    return gzip.compress(json.dumps(record, separators=(",", ":"), allow_nan=False).encode(), compresslevel=1, mtime=0)


def _read(access: Access, name: str, key: str) -> Checkpoint:
    # Most of the time that a list takes goes into making it, and it never changes.
    known_key, known = access.made.get(name, ("", None))
    if known_key == key and isinstance(known, Checkpoint):
        return known
    made = _parsed(name, key, access.store.get(key))
    access.made[name] = key, made
    return made


def _parsed(name: str, key: str, content: bytes) -> Checkpoint:
    try:
        # In a third of the time that the standard library takes; keys only are worth remembering.
        record: dict[str, Any] = pydantic_core.from_json(gzip.decompress(content), cache_strings="keys")
        columns = [record["committed"][column] for column in _COLUMNS]
        rows = zip([name] * len(columns[0]), *columns, strict=True)
        # What `_make` does, without a step of Python for each of ten thousand.
        committed = dict(zip(columns[0], map(partial(tuple.__new__, VersionSummary), rows), strict=True))
        return Checkpoint(int(record["version"]), committed, tuple(int(number) for number in record["others"]))
    except (EOFError, OSError, KeyError, TypeError, ValueError, zlib.error):
        raise unreadable(key) from None
