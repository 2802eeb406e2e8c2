"""Model versions: how a number is claimed, filled and committed, and how a version is found.

There is no lock and no counter. A version exists if and only if its manifest says so, and the manifest is written last:
whoever dies before leaves a number unused for ever, and nothing that a reader could mistake for a model.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from moorage.errors import CallerError, IntegrityError, MoorageError, NotFound
from moorage.names import check_model_name
from moorage.predictor import ModelSource
from moorage.registry.keys import Keys
from moorage.registry.model_files import LocalFile, check_input_example, check_metrics, hash_model_files
from moorage.registry.record import Claim, FileEntry, ModelVersion, Published, tree_digest
from moorage.store.backoff import tries
from moorage.store.base import ObjectStore
from moorage.store.records import Clock, put_record, read_record, timestamp
from moorage.store.transfer import upload_file

logger = logging.getLogger(__name__)

# Each upload to a directory mostly waits for its fsync.
UPLOAD_THREADS: Final = 4
_LARGEST_VERSION: Final = 10**10 - 1
_SHOWN: Final = 10


def publish(store: ObjectStore, keys: Keys, *, name: str, source: ModelSource, actor: str, clock: Clock) -> Published:
    """Makes what training saved a new model version, or finds that the newest version is just that.

    Raises:
        CallerError: the source breaks a rule, with nothing written; or a file changed while it was sent, with a
            number used up and no version made.
        IntegrityError: the store does not hold what was sent.
    """
    check_model_name(name)
    # P0: everything that can be refused is refused here, and the digest tells whether there is anything to do.
    draft, files = _draft(keys, name=name, source=source, actor=actor)
    newest = next(committed_versions(store, keys, name=name), None)
    if newest is not None and _says_the_same(newest, draft):
        logger.info("Model %r version %d reused: its files and record are the same", name, newest.version)
        return Published(newest, reused=True)
    for _ in tries(f"publishing model {name!r}"):
        if model := _publish_once(store, keys, draft=draft, files=files, clock=clock):
            logger.info("Registered model %r version %d: %d files", name, model.version, len(model.files))
            return Published(model, reused=False)
    raise AssertionError("unreachable: tries() raises when they run out")


def committed_versions(store: ObjectStore, keys: Keys, *, name: str) -> Iterator[ModelVersion]:
    """The model's versions, newest first, read one by one as they are asked for."""
    for found in store.list(keys.numbers(name)):
        if keys.is_manifest(found.key):
            model = find_version(store, keys, name=name, version=keys.number_of(found.key, name))
            if model is not None:
                yield model


def find_version(store: ObjectStore, keys: Keys, *, name: str, version: int) -> ModelVersion | None:
    """One model version, or None when that number was never committed."""
    if not 1 <= version <= _LARGEST_VERSION:
        return None
    key = keys.manifest(name, version)
    try:
        record = read_record(key, store.get(key))
    except NotFound:
        return None
    return ModelVersion.from_json(key, record)


def model_names(store: ObjectStore, keys: Keys) -> list[str]:
    """The models with at least one version, sorted."""
    candidates = {keys.model_of(found.key) for found in store.list(keys.registry) if keys.is_manifest(found.key)}
    return [name for name in sorted(candidates) if any(committed_versions(store, keys, name=name))]


def not_found(store: ObjectStore, keys: Keys, *, name: str, version: int | None) -> NotFound:
    """What to say when the model, or this version of it, does not exist: it names those that do."""
    numbers = [str(model.version) for model in committed_versions(store, keys, name=name)]
    if numbers and version is not None:
        return NotFound(
            f"Model {name!r} has no version {version}.",
            f"It has {_shown(numbers)}.",
            "Name one of these, or 'latest', or publish the model first.",
        )
    known = model_names(store, keys)
    return NotFound(
        f"There is no model {name!r} in project {keys.project!r}.",
        f"It has {_shown([repr(model) for model in known])}." if known else "It has no models yet.",
        "Name one of these, or publish the model first." if known else "Publish the model first.",
    )


def _draft(keys: Keys, *, name: str, source: ModelSource, actor: str) -> tuple[ModelVersion, tuple[LocalFile, ...]]:
    metrics, input_example = check_metrics(source), check_input_example(source)
    files = hash_model_files(Path(source.path))
    entries = tuple(file.entry for file in files)
    draft = ModelVersion(
        project=keys.project,
        name=name,
        version=0,
        framework=source.framework,
        digest=tree_digest(entries),
        files=entries,
        metrics=metrics,
        description=source.description,
        input_example=input_example,
        created_at="",
        created_by=actor,
    )
    return draft, files


def _says_the_same(model: ModelVersion, draft: ModelVersion) -> bool:
    return draft == replace(model, version=0, created_at="", created_by=draft.created_by)


def _publish_once(
    store: ObjectStore, keys: Keys, *, draft: ModelVersion, files: tuple[LocalFile, ...], clock: Clock
) -> ModelVersion | None:
    # P1: the number is ours from here on, even if we die: numbers are never used twice.
    version = _claim(store, keys, draft, clock=clock)
    if version is None:
        return None
    model = replace(draft, version=version, created_at=timestamp(clock))
    prefix = keys.model_files(model.name, version)
    with ExitStack() as undo:
        undo.callback(_discard, store, prefix)
        _upload(store, prefix, files)
        _check_upload(store, prefix, model.files)
        # P5: the commit. Past this write the outcome may be unknown, so from here on nothing of ours is taken back.
        undo.pop_all()
    if put_record(store, keys.manifest(model.name, version), model.to_json()):
        return model
    # Garbage collection took us for dead and wrote "aborted" there: the number is lost, the files are litter.
    _discard(store, prefix)
    return None


def _claim(store: ObjectStore, keys: Keys, draft: ModelVersion, *, clock: Clock) -> int | None:
    newest = next(store.list(keys.numbers(draft.name), limit=1), None)
    version = keys.number_of(newest.key, draft.name) + 1 if newest else 1
    claim = Claim(owner=draft.created_by, host=socket.gethostname(), claimed_at=timestamp(clock))
    return version if put_record(store, keys.claim(draft.name, version), claim.to_json()) else None


def _upload(store: ObjectStore, prefix: str, files: tuple[LocalFile, ...]) -> None:
    # P2: hashed once more on the way, because training may still be writing.
    def send(file: LocalFile) -> None:
        try:
            sent = upload_file(store, prefix + file.entry.path, file.source)
        except OSError as error:
            raise _changed(file) from error
        if (sent.size, sent.sha256) != (file.entry.size, file.entry.sha256):
            raise _changed(file)

    with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        for _ in pool.map(send, files):
            pass


def _check_upload(store: ObjectStore, prefix: str, files: tuple[FileEntry, ...]) -> None:
    # P3: one list finds what is missing, cut short, or strayed in, before anybody can rely on it.
    found = {item.key.removeprefix(prefix): item.size for item in store.list(prefix)}
    expected = {file.path: file.size for file in files}
    wrong = sorted(path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path))
    if wrong:
        raise IntegrityError(
            f"The store does not hold what was sent: {_shown([repr(path) for path in wrong])} below {prefix!r}.",
            "All files were expected with the sizes sent, and nothing else.",
            "See who else writes to the store, then publish again.",
        )


def _discard(store: ObjectStore, prefix: str) -> None:
    # As well as it goes: what stays behind belongs to no version, and garbage collection removes it.
    try:
        for found in list(store.list(prefix)):
            store.delete(found.key)
    except MoorageError as error:
        logger.warning("Files of an uncommitted model version are left below %r: %s", prefix, error)


def _changed(file: LocalFile) -> CallerError:
    return CallerError(
        f"The model file {str(file.source)!r} changed while it was published.",
        "Nothing may write to a model while it is published.",
        "Wait until training has finished, then publish again.",
    )


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
