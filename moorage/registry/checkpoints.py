"""Checkpoints: all that is settled up to some version, in one object, so that a long list takes one read.

Derived, and never needed: what became of a number never changes, so a checkpoint can be old but not wrong. What was
open when it was written is named in it, and looked up by whoever reads it. Deletions are not in it: they stand in the
references log.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Final

from moorage.errors import IntegrityError, MoorageError, NotFound
from moorage.registry.access import Access
from moorage.registry.manifests import find_version, numbers, outcome_of
from moorage.registry.record import ManifestState, ModelVersion
from moorage.store.records import read_record, unreadable

logger = logging.getLogger(__name__)

# A version of many files is read by itself: a checkpoint holds every version that there ever was.
MAX_ROW_BYTES: Final = 8 << 10


@dataclass(frozen=True)
class Checkpoint:
    """What became of the numbers up to `version`.

    Attributes:
        committed: versions by number, deleted or not.
        others: numbers to be looked up: open when it was written, or too large for it. All that are named nowhere
            were given up.
    """

    version: int = 0
    committed: dict[int, ModelVersion] | None = None
    others: tuple[int, ...] = ()


def newest_checkpoint(access: Access, name: str) -> Checkpoint:
    """The newest checkpoint that can be read; an empty one when there is none."""
    for found in access.store.list(access.keys.checkpoints(name), limit=1):
        try:
            return _read(access, found.key)
        except NotFound:
            break
        except IntegrityError as error:
            # All that it says stands in the manifests too.
            logger.warning("A checkpoint of model %r is ignored: %s", name, error)
    return Checkpoint()


def committed_by_number(access: Access, name: str) -> dict[int, ModelVersion]:
    """All versions that were ever committed, deleted or not: the newest checkpoint and what came after it."""
    checkpoint = newest_checkpoint(access, name)
    later = takewhile(lambda number: number.version > checkpoint.version, numbers(access, name))
    wanted = [number.version for number in later if number.settled] + list(checkpoint.others)
    found = access.each(lambda version: find_version(access, name, version), wanted)
    return dict(checkpoint.committed or {}) | {model.version: model for model in found if model is not None}


def write_checkpoint(access: Access, name: str, version: int) -> None:
    """Writes down what is settled up to `version`, as well as it goes: nobody relies on it."""
    try:
        access.put(access.keys.checkpoint(name, version), _compile(access, name, version))
    except MoorageError as error:
        logger.warning("No checkpoint of model %r was written: %s", name, error)


def _compile(access: Access, name: str, version: int) -> dict[str, Any]:
    before = newest_checkpoint(access, name)
    # Every number since, and not only those that a list shows: what is not known to be settled must be named.
    numbers_since = sorted({*before.others, *range(before.version + 1, version + 1)})
    rows = [model.to_json() for model in (before.committed or {}).values()]
    others = []
    # One read each: asked twice, a number could be open first, and then not given up.
    outcomes = access.each(lambda number: outcome_of(access, name, number), numbers_since)
    for number, outcome in zip(numbers_since, outcomes, strict=True):
        if isinstance(outcome, ModelVersion) and len(json.dumps(outcome.to_json())) <= MAX_ROW_BYTES:
            rows.append(outcome.to_json())
        elif outcome is not ManifestState.ABORTED:
            others.append(number)
    return {"version": version, "rows": rows, "others": others}


def _read(access: Access, key: str) -> Checkpoint:
    record = read_record(key, access.store.get(key))
    try:
        models = [ModelVersion.from_json(key, row) for row in record["rows"]]
        committed = {model.version: model for model in models if model is not None}
        return Checkpoint(int(record["version"]), committed, tuple(int(number) for number in record["others"]))
    except (KeyError, TypeError, ValueError):
        raise unreadable(key) from None
