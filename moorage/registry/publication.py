"""How a model version is made: a number is claimed, filled, and committed by one write.

There is no lock and no counter. The manifest is written last: whoever dies before leaves a number unused for ever, and
nothing that a reader could mistake for a model.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace

from moorage.errors import IntegrityError, MoorageError, NotFound
from moorage.predictor import ModelSource
from moorage.registry.access import Access
from moorage.registry.attachments import Attachment, find_attachments
from moorage.registry.checkpoints import write_checkpoint
from moorage.registry.claims import claim_of_this_process
from moorage.registry.filling import Filler, Tally
from moorage.registry.idempotency import Chain
from moorage.registry.manifests import fence, newest_number, state_of
from moorage.registry.model_files import check_input_example, check_lineage, check_metrics, check_schema
from moorage.registry.record import FileEntry, ManifestState, ModelVersion, Published, tree_digest
from moorage.registry.sources import Fingerprints, SourceFile, find_sources
from moorage.registry.stock import Stock, newest_versions
from moorage.registry.versions import get_version, shown
from moorage.store.base import ObjectInfo
from moorage.store.hashing import Fingerprint
from moorage.store.progress import UNWATCHED, Progress
from moorage.store.records import timestamp
from moorage.store.transfer import fingerprint_in_store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draft:
    """What is to be published: the record but for its files and number, the files, and what lies beside them."""

    model: ModelVersion
    files: tuple[SourceFile, ...]
    attachments: tuple[Attachment, ...]
    fingerprints: Fingerprints

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


class Publisher:
    """Makes versions of one model; each step is a function of its own, so that a checker can spoil it."""

    def __init__(
        self,
        access: Access,
        name: str,
        *,
        actor: str = "",
        idempotency_key: str | None = None,
        progress: Progress = UNWATCHED,
    ) -> None:
        self._access = access
        self._name = name
        self._actor = actor
        self._chain = None if idempotency_key is None else Chain(access, name, idempotency_key)
        self._key_digest = hashlib.sha256(idempotency_key.encode()).hexdigest() if idempotency_key else ""
        self._progress = progress

    def publish(self, source: ModelSource) -> Published:
        """See `Registry.publish`."""
        # P0: everything that can be refused is refused here.
        draft = self._draft(source)
        if self._chain is not None and (settled := self._chain.settled()):
            return self._reused(settled)
        known = newest_versions(self._access, self._name, is_large=self._is_large(draft))
        if known and self._is_unchanged(draft, known[0]):
            # The key stands for this answer too: asked again with it, when there are newer versions, we say the same.
            return self._reused(self._settle(known[0].version))
        for attempt in self._access.tries(f"publishing model {self._name!r}"):
            self._progress.begin(draft.size)
            # Numbers of others are given up once: two tries of one publish would else take turns at it for ever.
            if published := self._attempt(draft, known, may_give_up=attempt == 1):
                return published
        raise AssertionError("unreachable: tries() raises when they run out")

    def _draft(self, source: ModelSource) -> Draft:
        attachments = find_attachments(source)
        model = ModelVersion(
            project=self._access.keys.project,
            name=self._name,
            version=0,
            framework=source.framework,
            digest="",
            files=(),
            metrics=check_metrics(source),
            description=source.description,
            input_example=check_input_example(source),
            schema=check_schema(source),
            lineage=check_lineage(source),
            attachments=tuple(attachment.entry for attachment in attachments),
            created_at="",
            created_by=self._actor,
        )
        return Draft(model, find_sources(self._access, source.path), attachments, Fingerprints(self._access))

    def _reused(self, version: int) -> Published:
        logger.info("Model %r version %d reused: its files and record are the same", self._name, version)
        return Published(get_version(self._access, self._name, version), reused=True)

    def _is_large(self, draft: Draft) -> bool:
        return draft.size >= self._access.manner.worth_looking

    def _is_unchanged(self, draft: Draft, newest: ModelVersion) -> bool:
        if not replace(draft.model, digest=newest.digest).says_the_same(newest):
            return False
        # Files are hashed only where names and sizes leave it open: else each is hashed while it is sent.
        if [(file.path, file.size) for file in draft.files] != [(file.path, file.size) for file in newest.files]:
            return False
        entries = self._access.each(lambda file: _entry_of(draft, file), draft.files)
        return tree_digest(entries) == newest.digest and self._is_whole(newest)

    def _is_whole(self, model: ModelVersion) -> bool:
        """Whether the store still shows what was published: else it is published anew, which mends it."""
        found = self._listed(self._access.keys.model_files(self._name, model.version))
        for file, tag in model.tagged:
            item = found.get(file.path)
            if item is None or not self._holds(item, file, tag):
                logger.warning(
                    "Model %r version %d is not what was published: %r", self._name, model.version, file.path
                )
                return False
        return True

    def _holds(self, item: ObjectInfo, file: FileEntry, tag: str) -> bool:
        if item.size != file.size or not tag or item.tag == tag:
            return item.size == file.size
        # Of a bucket that was moved, or encrypted anew, the store says something else: it is read.
        return fingerprint_in_store(self._access.store, item.key) == Fingerprint(file.size, file.sha256)

    def _listed(self, prefix: str) -> dict[str, ObjectInfo]:
        return {item.key.removeprefix(prefix): item for item in self._access.store.list(prefix)}

    def _attempt(self, draft: Draft, known: list[ModelVersion], *, may_give_up: bool) -> Published | None:
        # P1: the number is ours from here on, even if we die: numbers are never used twice.
        version = self._claim()
        if version is None:
            return None
        with ExitStack() as undo:
            undo.callback(self._discard, version)
            stock = self._stock(version, draft, known, may_give_up=may_give_up)
            filled = self._fill(version, draft, stock)
            if filled is None:
                return None
            files, tags, tally = filled
            # P4: of all numbers that ever stood for the key, one is committed.
            settled = self._settle(version)
            if settled != version:
                fence(self._access, self._name, version, reason=f"version {settled} has the same idempotency key")
                return Published(get_version(self._access, self._name, settled), True, tally.sent, tally.copied)
            # P5: the commit. Past this write the outcome may be unknown, so from here on nothing of ours is taken back.
            undo.pop_all()
        at = timestamp(self._access.clock)
        model = replace(draft.model, version=version, files=files, digest=tree_digest(files), created_at=at, tags=tags)
        if self._commit(model):
            logger.info("Registered model %r version %d: %d files", self._name, version, len(files))
            return Published(model, False, tally.sent, tally.copied)
        # Garbage collection took us for dead and wrote "aborted" there: the number is lost, the files are litter.
        self._discard(version)
        return None

    def _claim(self) -> int | None:
        version = newest_number(self._access, self._name) + 1
        claim = claim_of_this_process(self._actor, self._key_digest, self._access.clock)
        return version if self._access.put(self._access.keys.claim(self._name, version), claim.to_json()) else None

    def _stock(self, version: int, draft: Draft, known: list[ModelVersion], *, may_give_up: bool) -> Stock:
        stock = Stock.of(self._access, self._name, known)
        if self._is_large(draft):
            stock.add_cut_off(
                self._access, self._name, below=version, idempotency=self._key_digest, may_give_up=may_give_up
            )
        return stock

    def _fill(
        self, version: int, draft: Draft, stock: Stock
    ) -> tuple[tuple[FileEntry, ...], tuple[str, ...], Tally] | None:
        """P2 and P3: puts the files in their places, and gives them, their tags, and what it took.

        None when the number was given up meanwhile.
        """
        prefix = self._access.keys.model_files(self._name, version)
        filler = Filler(self._access, prefix, stock=stock, fingerprints=draft.fingerprints, progress=self._progress)
        try:
            files = filler.fill(draft.files)
            self._attach(version, draft.attachments)
            filler.check_unchanged(draft.files)
            tags = self._check_sent(prefix, files)
        except (IntegrityError, NotFound):
            # Objects of ours that were there a moment ago are gone.
            if state_of(self._access, self._name, version) is ManifestState.ABORTED:
                return None
            raise
        return files, tags, filler.tally

    def _check_sent(self, prefix: str, files: tuple[FileEntry, ...]) -> tuple[str, ...]:
        # P3: one list finds what is missing, cut short, or strayed in, before anybody can rely on it.
        found = self._listed(prefix)
        sizes = {path: item.size for path, item in found.items()}
        expected = {file.path: file.size for file in files}
        wrong = sorted(path for path in sizes.keys() | expected.keys() if sizes.get(path) != expected.get(path))
        if wrong:
            raise IntegrityError(
                f"The store does not hold what was sent: {shown([repr(path) for path in wrong])} below {prefix!r}.",
                "All files were expected with the sizes sent, and nothing else.",
                "See who else writes to the store, then publish again.",
            )
        tags = tuple(found[file.path].tag for file in files)
        return tags if any(tags) else ()

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


def _entry_of(draft: Draft, file: SourceFile) -> FileEntry:
    return FileEntry(file.path, file.size, draft.fingerprints.of(file).sha256)
