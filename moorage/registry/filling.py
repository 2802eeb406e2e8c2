"""How a claimed number gets its files: copied where the store has them, finished where they were begun, else sent."""

from __future__ import annotations

import logging
import threading
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO, Final, cast

from moorage.errors import MoorageError, NotFound, StoreRefused
from moorage.registry.access import Access
from moorage.registry.model_files import unreadable_file
from moorage.registry.record import FileEntry
from moorage.registry.sources import Fingerprints, LocalFile, LooseFile, SourceFile, VersionFile
from moorage.registry.stock import Stock
from moorage.store.base import CopiesObjects, KeepsUnfinishedUploads, ObjectInfo
from moorage.store.hashing import Fingerprint, HashingReader
from moorage.store.progress import Progress
from moorage.store.transfer import differs, fingerprint_in_store, send_contents, send_file

logger = logging.getLogger(__name__)

# Larger files go up in parts, several at once; more than two such files at a time would only wait for each other.
LARGE_BYTES: Final = 16 << 20
_LARGE_AT_ONCE: Final = 2


@dataclass
class Tally:
    """How many bytes went which way."""

    sent: int = 0
    copied: int = 0


class Filler:
    """Fills one number; what it did stands in `tally`."""

    def __init__(
        self, access: Access, prefix: str, *, stock: Stock, fingerprints: Fingerprints, progress: Progress
    ) -> None:
        self._access = access
        self._store = access.store
        self._prefix = prefix
        self._stock = stock
        self._fingerprints = fingerprints
        self._progress = progress
        self._lock = threading.Lock()
        self._may_spare = True
        self.tally = Tally()

    def fill(self, files: tuple[SourceFile, ...]) -> tuple[FileEntry, ...]:
        """Puts every file in its place and returns what is there, sorted by path.

        Raises:
            CallerError: a file changed meanwhile, or cannot be read.
            IntegrityError: something else lies in its place.
        """
        large = [file for file in files if file.size >= LARGE_BYTES]
        small = [file for file in files if file.size < LARGE_BYTES]
        local = [file for file in small if isinstance(file, LocalFile)]
        new = dict.fromkeys(file for file in local if not self._stock.may_hold(file.path, file.size))
        entries = self._send(list(new))
        entries += self._access.each(self._place, [file for file in small if file not in new])
        entries += self._access.each(self._place, large, at_once=_LARGE_AT_ONCE)
        return tuple(sorted(entries, key=lambda entry: entry.path))

    def check_unchanged(self, files: tuple[SourceFile, ...]) -> None:
        """Raises CallerError unless all files are still what was found: some were read long before others."""
        for file in files:
            if isinstance(file, LocalFile):
                file.check_unchanged(file.size)
        loose = [file for file in files if isinstance(file, LooseFile)]
        self._access.each(lambda file: file.check_unchanged(self._access), loose)

    def _send(self, files: list[LocalFile]) -> list[FileEntry]:
        contents = ((self._prefix + file.path, file.content()) for file in files)
        sent = send_contents(self._store, contents, progress=self._progress, threads=self._access.threads)
        with closing(sent):
            entries = [FileEntry(file.path, found.size, found.sha256) for file, found in zip(files, sent, strict=True)]
        self._count(sent=sum(entry.size for entry in entries))
        return entries

    def _place(self, file: SourceFile) -> FileEntry:
        key = self._prefix + file.path
        found = self._place_local(file, key) if isinstance(file, LocalFile) else self._place_stored(file, key)
        return FileEntry(file.path, found.size, found.sha256)

    def _place_stored(self, file: VersionFile | LooseFile, key: str) -> Fingerprint:
        store = self._store
        if not isinstance(store, CopiesObjects):
            raise StoreRefused(f"The store {store.url} does not copy {file.key!r}.", "", "Publish from this machine.")
        expected, tag = (file.fingerprint, file.tag) if isinstance(file, VersionFile) else (None, "")
        is_copied = self._copied(store, file.key, key, size=file.size, expected=expected, tag=tag)
        if not is_copied and expected and tag and self._store.head(file.key):
            # Of a bucket that was moved, or encrypted anew, the store says something else: it is read.
            if (there := fingerprint_in_store(self._store, file.key)) != expected:
                raise differs(file.key, found=there, expected=expected)
            is_copied = self._copied(store, file.key, key, size=file.size, expected=expected)
        if not is_copied:
            raise NotFound(f"There is no object {file.key!r} any more.", "It was there a moment ago.", "Publish again.")
        # What was put by hand may change at any time: what counts is what was copied.
        return expected or fingerprint_in_store(store, key)

    def _place_local(self, file: LocalFile, key: str) -> Fingerprint:
        try:
            return self._spared(file, key) or self._sent(file, key)
        except OSError as error:
            file.check_unchanged(file.size)
            raise unreadable_file(file.source, error) from error

    def _spared(self, file: LocalFile, key: str) -> Fingerprint | None:
        """The file without sending all of it; None where that cannot be, or the store refuses it."""
        if not self._may_spare:
            return None
        try:
            return self._from_stock(file, key) or self._from_begun(file, key)
        except StoreRefused as refusal:
            # A store without CopyObject, a role without a right: it takes longer, and no more. Whoever may do nothing
            # hears so from what is sent.
            self._may_spare = False
            logger.warning("Files that %s may hold already are sent: %s", self._store.url, refusal.what)
            return None

    def _from_stock(self, file: LocalFile, key: str) -> Fingerprint | None:
        """A copy of what the store holds already, when it is the same."""
        store = self._store
        if not isinstance(store, CopiesObjects):
            return None
        sources: list[tuple[str, str]] = []
        if written_down := self._stock.written_down(file.size):
            sources += written_down.get(self._fingerprints.of(file).sha256, [])
        left = self._stock.left_like(file.path, file.size)
        # By its tag: whoever was taken for gone may still write there once the object is collected.
        found = ((info.key, info.tag) for info in left if _tells_same(store, info, file))
        for source, tag in chain(sources, found):
            expected = self._fingerprints.of(file)
            if self._copied(store, source, key, size=file.size, expected=expected, tag=tag):
                return expected
        return None

    def _from_begun(self, file: LocalFile, key: str) -> Fingerprint | None:
        """The end of an upload that was cut off, at the place where it was begun, and a copy of that."""
        store = self._store
        if file.size < LARGE_BYTES or not isinstance(store, KeepsUnfinishedUploads):
            return None
        if not isinstance(store, CopiesObjects):
            return None
        for prefix in self._stock.begun:
            with file.source.open("rb", buffering=0) as content:
                reader = HashingReader(content)
                finished = store.finish_upload(prefix + file.path, cast("BinaryIO", reader))
            if finished is None:
                continue
            expected, arrived, tag = reader.fingerprint, finished.arrived, finished.tag
            file.check_unchanged(expected.size)
            self._count(sent=file.size - arrived)
            if self._copied(store, prefix + file.path, key, size=arrived, expected=expected, tag=tag):
                return expected
        return None

    def _copied(
        self, store: CopiesObjects, source: str, key: str, *, size: int, expected: Fingerprint | None, tag: str = ""
    ) -> bool:
        """False when the source is gone meanwhile.

        Args:
            size: how many of its bytes need not be sent for it.
            expected: what the source holds; None for what somebody put there by hand.
            tag: what the store must still say of it.
        """
        try:
            is_new = store.copy_if_absent(source, key, tag=tag, is_put_by_hand=expected is None)
        except NotFound:
            return False
        if not is_new:
            expected = expected or fingerprint_in_store(self._store, source)
            if (there := fingerprint_in_store(self._store, key)) != expected:
                raise differs(key, found=there, expected=expected)
        self._progress.advance(expected.size if expected else size)
        self._count(copied=size)
        return True

    def _sent(self, file: LocalFile, key: str) -> Fingerprint:
        sent = send_file(self._store, key, file.source, progress=self._progress)
        file.check_unchanged(sent.size)
        self._count(sent=sent.size)
        return sent

    def _count(self, *, sent: int = 0, copied: int = 0) -> None:
        with self._lock:
            self.tally.sent += sent
            self.tally.copied += copied


def _tells_same(store: CopiesObjects, info: ObjectInfo, file: LocalFile) -> bool:
    # What was cut off may be collected at any moment, and then is not there to be looked at.
    try:
        return store.is_content_of(info, file.source)
    except (MoorageError, OSError):
        return False
