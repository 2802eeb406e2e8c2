"""How a model version is made: a number is claimed, filled, and committed by one write.

There is no lock and no counter. The manifest is written last: whoever dies before leaves a number unused for ever, and
nothing that a reader could mistake for a model.
"""

from __future__ import annotations

import hashlib
import logging
import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from moorage.errors import CallerError, IntegrityError, MoorageError, NotFound
from moorage.predictor import ModelSource
from moorage.registry.access import Access
from moorage.registry.attachments import Attachment, find_attachments
from moorage.registry.checkpoints import write_checkpoint
from moorage.registry.idempotency import Chain
from moorage.registry.manifests import fence, newest_number, state_of
from moorage.registry.model_files import (
    LocalFile,
    check_input_example,
    check_lineage,
    check_metrics,
    check_schema,
    hash_model_files,
)
from moorage.registry.record import Claim, FileEntry, ManifestState, ModelVersion, Published, tree_digest
from moorage.registry.versions import existing_versions, get_version, shown
from moorage.store.records import timestamp
from moorage.store.transfer import upload_file

logger = logging.getLogger(__name__)


class Publisher:
    """Makes versions of one model; each step is a function of its own, so that a checker can spoil it."""

    def __init__(self, access: Access, name: str, *, actor: str = "", idempotency_key: str | None = None) -> None:
        self._access = access
        self._name = name
        self._actor = actor
        self._chain = None if idempotency_key is None else Chain(access, name, idempotency_key)
        self._key_digest = hashlib.sha256(idempotency_key.encode()).hexdigest() if idempotency_key else ""

    def publish(self, source: ModelSource) -> Published:
        """See `Registry.publish`."""
        # P0: everything that can be refused is refused here, and the digest tells whether there is anything to do.
        draft, files, attachments = self._draft(source)
        before = self._before(draft)
        if before is not None:
            logger.info("Model %r version %d reused: its files and record are the same", self._name, before.version)
            return Published(before, reused=True)
        for _ in self._access.tries(f"publishing model {self._name!r}"):
            if published := self._attempt(draft, files, attachments):
                return published
        raise AssertionError("unreachable: tries() raises when they run out")

    def _draft(self, source: ModelSource) -> tuple[ModelVersion, tuple[LocalFile, ...], tuple[Attachment, ...]]:
        attachments = find_attachments(source)
        files = hash_model_files(Path(source.path), threads=self._access.manner.threads)
        entries = tuple(file.entry for file in files)
        draft = ModelVersion(
            project=self._access.keys.project,
            name=self._name,
            version=0,
            framework=source.framework,
            digest=tree_digest(entries),
            files=entries,
            metrics=check_metrics(source),
            description=source.description,
            input_example=check_input_example(source),
            schema=check_schema(source),
            lineage=check_lineage(source),
            attachments=tuple(attachment.entry for attachment in attachments),
            created_at="",
            created_by=self._actor,
        )
        return draft, files, attachments

    def _before(self, draft: ModelVersion) -> ModelVersion | None:
        if self._chain is not None and (version := self._chain.settled()):
            return get_version(self._access, self._name, version)
        newest = next(existing_versions(self._access, self._name), None)
        if newest is None or not draft.says_the_same(newest):
            return None
        # The key stands for this answer too: asked again with it, when there are newer versions, we say the same.
        version = self._settle(newest.version)
        return newest if version == newest.version else get_version(self._access, self._name, version)

    def _attempt(
        self, draft: ModelVersion, files: tuple[LocalFile, ...], attachments: tuple[Attachment, ...]
    ) -> Published | None:
        # P1: the number is ours from here on, even if we die: numbers are never used twice.
        version = self._claim()
        if version is None:
            return None
        model = replace(draft, version=version, created_at=timestamp(self._access.clock))
        with ExitStack() as undo:
            undo.callback(self._discard, version)
            if not self._fill(model, files):
                return None
            self._attach(version, attachments)
            # P4: of all numbers that ever stood for the key, one is committed.
            settled = self._settle(version)
            if settled != version:
                fence(self._access, self._name, version, reason=f"version {settled} has the same idempotency key")
                return Published(get_version(self._access, self._name, settled), reused=True)
            # P5: the commit. Past this write the outcome may be unknown, so from here on nothing of ours is taken back.
            undo.pop_all()
        if self._commit(model):
            logger.info("Registered model %r version %d: %d files", self._name, version, len(files))
            return Published(model, reused=False)
        # Garbage collection took us for dead and wrote "aborted" there: the number is lost, the files are litter.
        self._discard(version)
        return None

    def _claim(self) -> int | None:
        version = newest_number(self._access, self._name) + 1
        at = timestamp(self._access.clock)
        claim = Claim(self._actor, socket.gethostname(), at, idempotency=self._key_digest)
        return version if self._access.put(self._access.keys.claim(self._name, version), claim.to_json()) else None

    def _fill(self, model: ModelVersion, files: tuple[LocalFile, ...]) -> bool:
        """Sends the files; False when the number was given up meanwhile, and what was sent removed."""
        prefix = self._access.keys.model_files(self._name, model.version)
        try:
            self._access.each(lambda file: self._send(prefix, file), files)
            self._check_sent(prefix, model.files)
        except (IntegrityError, NotFound):
            # Objects of ours that were there a moment ago are gone.
            if state_of(self._access, self._name, model.version) is ManifestState.ABORTED:
                return False
            raise
        return True

    def _send(self, prefix: str, file: LocalFile) -> None:
        # P2: hashed once more on the way, because training may still be writing.
        try:
            sent = upload_file(self._access.store, prefix + file.entry.path, file.source)
        except OSError as error:
            raise _changed(file) from error
        if (sent.size, sent.sha256) != (file.entry.size, file.entry.sha256):
            raise _changed(file)

    def _check_sent(self, prefix: str, files: tuple[FileEntry, ...]) -> None:
        # P3: one list finds what is missing, cut short, or strayed in, before anybody can rely on it.
        found = {item.key.removeprefix(prefix): item.size for item in self._access.store.list(prefix)}
        expected = {file.path: file.size for file in files}
        wrong = sorted(path for path in found.keys() | expected.keys() if found.get(path) != expected.get(path))
        if wrong:
            raise IntegrityError(
                f"The store does not hold what was sent: {shown([repr(path) for path in wrong])} below {prefix!r}.",
                "All files were expected with the sizes sent, and nothing else.",
                "See who else writes to the store, then publish again.",
            )

    def _settle(self, version: int) -> int:
        return version if self._chain is None else self._chain.settle(version)

    def _commit(self, model: ModelVersion) -> bool:
        if not self._access.put(self._access.keys.manifest(self._name, model.version), model.to_json()):
            return False
        if model.version % self._access.manner.checkpoint_every == 0:
            write_checkpoint(self._access, self._name, model.version)
        return True

    def _attach(self, version: int, attachments: tuple[Attachment, ...]) -> None:
        prefix = self._access.keys.version_files(self._name, version)
        for attachment in attachments:
            self._access.store.put_if_absent(prefix + attachment.entry.path, attachment.content)

    def _discard(self, version: int) -> None:
        # As well as it goes: what stays behind belongs to no version, and garbage collection removes it.
        prefix = self._access.keys.version_files(self._name, version)
        try:
            self._access.remove(prefix)
        except MoorageError as error:
            logger.warning("Files of an uncommitted model version are left below %r: %s", prefix, error)


def _changed(file: LocalFile) -> CallerError:
    return CallerError(
        f"The model file {str(file.source)!r} changed while it was published.",
        "Nothing may write to a model while it is published.",
        "Wait until training has finished, then publish again.",
    )
