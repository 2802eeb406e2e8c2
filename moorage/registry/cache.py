"""Model files kept on this machine by their digest: fetched once, for all processes of one user.

    sha256/<digest>/…        the model files, read-only
    records/<digest>.json    what that folder holds; written last, so a folder without it is none; touched at each use
    locks/<digest>.use       shared: held by all who use the folder or fill it; alone: to remove it
    locks/<digest>.fill      alone: to fetch, and so to replace a folder that was spoiled
    locks/eviction           alone: to choose what goes, or two would each make the room that one needs
    filling/<digest>/        being fetched
    removed/…                on its way out

Any process may be killed at any moment: its locks go with it, and what it left half done is no folder and goes with
the next fetch.
"""

from __future__ import annotations

import atexit
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.errors import StoreRefused
from moorage.registry.file_locks import EXCLUSIVE, SHARED, locked, release, take, take_at_once
from moorage.registry.kept_folder import (
    contents_of,
    move_aside,
    read_contents,
    remove_tree,
    seal,
    write_contents,
)
from moorage.registry.record import ModelVersion
from moorage.store.disk import disk_errors

logger = logging.getLogger(__name__)

_PLACES: Final = ("sha256", "records", "locks", "filling", "removed")
_EVICTION: Final = "eviction"
# The locks of folders in use, by device and inode: they are held until this process ends, and no lock file that one of
# its descriptors stands for can become another.
_in_use: Final[dict[tuple[int, int], int]] = {}


@dataclass(frozen=True)
class ModelCache:
    """The folders of model files below `root`, which belongs to this user alone.

    The bound counts bytes of model files. What is in use is never removed, so a single model may exceed it, and so may
    what is fetched by several at once; the next fetch makes up for it.
    """

    root: Path
    limit_bytes: int

    def folder(self, model: ModelVersion, fetch: Callable[[Path], None]) -> Path:
        """A folder of exactly the model's files, read-only; fetched when it is not here whole, by one of all who ask.

        It stays until this process ends, and the forked children that have inherited its lock; do not hand it to a
        process that goes on longer. What was fetched before is known by its owner, sizes and times, and not read.

        Args:
            fetch: makes the given path a folder of the model's files, verified.

        Raises:
            StoreRefused: this machine's disk is full, read-only or not ours to write, or `root` is somebody else's, or
                open to others. Nothing is left half done.
            MoorageError: what `fetch` raises.
        """
        entry = _Entry(self.root, model.digest.rpartition(":")[2])
        with disk_errors(f"Model {model.name!r} version {model.version} was not cached", self.root):
            self._prepare()
            with ExitStack() as undo:
                use = take(entry.lock("use"), SHARED)
                undo.callback(release, use)
                if not entry.is_whole():
                    self._fill(entry, model, fetch)
                entry.touch()
                undo.pop_all()
            _keep(use)
        return entry.folder

    def _prepare(self) -> None:
        for folder in reversed((self.root, *self.root.parents)):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        status = self.root.stat()
        if status.st_uid != os.geteuid():
            raise _unsafe(self.root, f"belongs to user {status.st_uid}")
        if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o022:
            raise _unsafe(self.root, f"may be written to by others (mode {stat.S_IMODE(status.st_mode):04o})")
        for place in _PLACES:
            (self.root / place).mkdir(mode=0o700, exist_ok=True)

    def _fill(self, entry: _Entry, model: ModelVersion, fetch: Callable[[Path], None]) -> None:
        what = f"model {model.name!r} version {model.version}"

        def tell() -> None:
            logger.info("Waiting for another process or thread that fetches the files of %s", what)

        with locked(entry.lock("fill"), waiting=tell):
            if entry.is_whole():
                return
            entry.discard()
            self._make_room(model.size)
            try:
                entry.filling.mkdir(mode=0o700)
                fetch(entry.filling / "files")
                entry.complete(entry.filling / "files", model)
            except BaseException:
                entry.discard()
                raise
            finally:
                remove_tree(entry.filling)
                self._sweep()
        # Others may have fetched meanwhile, and a model that found no room is in the way of nobody but itself.
        self._make_room(0)

    def _make_room(self, more_bytes: int) -> None:
        with locked(self.root / "locks" / _EVICTION):
            for entry in self._entries():
                entry.sweep()
            kept = sorted(self._kept(), key=lambda item: item.used_at)
            excess = sum(item.size for item in kept) + more_bytes - self.limit_bytes
            for item in kept:
                if excess > 0 and item.entry.drop():
                    excess -= item.size
        self._sweep()

    def _sweep(self) -> None:
        for leftover in (self.root / "removed").iterdir():
            remove_tree(leftover)

    def _entries(self) -> list[_Entry]:
        names = {path.name.partition(".")[0] for place in _PLACES[:-1] for path in (self.root / place).iterdir()}
        return [_Entry(self.root, name) for name in sorted(names - {_EVICTION})]

    def _kept(self) -> Iterator[_Kept]:
        for entry in self._entries():
            contents = read_contents(entry.record)
            if contents is not None:
                yield _Kept(entry, size=sum(seen.size for seen in contents.values()), used_at=entry.used_at())


@dataclass(frozen=True)
class _Entry:
    """Where the cache keeps what belongs to one digest."""

    root: Path
    digest: str

    @property
    def folder(self) -> Path:
        return self.root / "sha256" / self.digest

    @property
    def record(self) -> Path:
        return self.root / "records" / f"{self.digest}.json"

    @property
    def filling(self) -> Path:
        return self.root / "filling" / self.digest

    def lock(self, what: str) -> Path:
        return self.root / "locks" / f"{self.digest}.{what}"

    def is_whole(self) -> bool:
        written_down = read_contents(self.record)
        return written_down is not None and written_down == contents_of(self.folder)

    def touch(self) -> None:
        # Gone when somebody spoiled the folder just now, and another process replaces it.
        with suppress(FileNotFoundError):
            os.utime(self.record)

    def used_at(self) -> int:
        try:
            return self.record.stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def complete(self, fetched: Path, model: ModelVersion) -> None:
        contents = seal(fetched, model.files)
        fetched.rename(self.folder)
        self.folder.chmod(0o555)
        write_contents(self.filling / "record", contents)
        (self.filling / "record").rename(self.record)

    def discard(self) -> None:
        """Ends the entry: first it is none any more, then its files go. Whoever calls has `fill`, or `use` alone."""
        self.record.unlink(missing_ok=True)
        for place in (self.folder, self.filling):
            move_aside(place, self.root / "removed")

    def sweep(self) -> None:
        """Removes what a killed process left of it, unless it is in use."""
        if self.filling.exists() or read_contents(self.record) is None:
            self._alone(self._clear)

    def drop(self) -> bool:
        """Ends the entry, unless it is in use; False when it is."""
        return self._alone(self._end)

    def _alone(self, act: Callable[[], object]) -> bool:
        use = take_at_once(self.lock("use"), EXCLUSIVE)
        if use is None:
            return False
        try:
            act()
        finally:
            release(use)
        return True

    def _clear(self) -> None:
        if self.is_whole():
            move_aside(self.filling, self.root / "removed")
        else:
            self._end()

    def _end(self) -> None:
        self.discard()
        # Whoever waits for one of them looks whether it is still there.
        for what in ("fill", "use"):
            self.lock(what).unlink(missing_ok=True)
        logger.debug("sha256:%s is no longer in the cache %s", self.digest, self.root)


@dataclass(frozen=True)
class _Kept:
    """A complete entry as eviction sees it: `size` in bytes, `used_at` in nanoseconds since the epoch."""

    entry: _Entry
    size: int
    used_at: int


def temporary_folder(model: ModelVersion, fetch: Callable[[Path], None]) -> Path:
    """What `ModelCache.folder` gives, without a cache: fetched each time, and gone when this process ends.

    Raises:
        StoreRefused: the disk of the temporary files is full, read-only or not ours to write.
        MoorageError: what `fetch` raises.
    """
    place = Path(tempfile.gettempdir())
    with disk_errors(f"Model {model.name!r} version {model.version} was not fetched", place):
        outer = Path(tempfile.mkdtemp(prefix="moorage-", dir=place))
        try:
            fetch(outer / "files")
            seal(outer / "files", model.files)
        except BaseException:
            remove_tree(outer)
            raise
    # A forked child that ends must not take the folder from its parent.
    atexit.register(lambda owner: remove_tree(outer) if owner == os.getpid() else None, os.getpid())
    return outer / "files"


def _keep(use: int) -> None:
    status = os.fstat(use)
    if _in_use.setdefault((status.st_dev, status.st_ino), use) != use:
        release(use)


def _unsafe(root: Path, why: str) -> StoreRefused:
    return StoreRefused(
        f"The cache folder {root} {why}.",
        "What is cached is not verified again, so it must be this user's alone.",
        f"Do chown {os.geteuid()} and chmod 700 on it once you trust what it holds, or set MOORAGE_CACHE to another.",
    )
