"""Files of the store as a folder on this machine: complete and verified, or not there."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from moorage.registry.record import FileEntry
from moorage.store.base import ObjectStore
from moorage.store.disk import disk_errors
from moorage.store.hashing import Fingerprint, fingerprint_of
from moorage.store.progress import UNWATCHED, Progress
from moorage.store.transfer import Wanted, download

# hashlib lets other threads run; more than four wait for the disk.
HASH_THREADS: Final = 4
_TAKEN: Final = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


def download_folder(
    store: ObjectStore, prefix: str, files: tuple[FileEntry, ...], target: Path, *, progress: Progress = UNWATCHED
) -> None:
    """Makes `target` a folder of exactly these files; one that holds just them already is kept as it is.

    What else lies at `target` is replaced, at once: no reader sees some files of the one and some of the other.
    `target` cannot be a mount point.

    Args:
        prefix: what the keys of the files begin with.

    Raises:
        IntegrityError: an object is missing or is not what its entry says; `target` is left as it was.
        StoreRefused: this machine's disk is full, read-only, or not ours to write; likewise.
    """
    target = Path(os.path.abspath(target))
    with disk_errors(f"Objects below {prefix!r} were not downloaded", target.parent):
        if holds(target, files):
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = _beside(target)
        fresh.mkdir()
        try:
            _fill(store, prefix, files, fresh, progress)
            _replace(target, fresh)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def holds(folder: Path, files: tuple[FileEntry, ...]) -> bool:
    """Whether the folder holds exactly these files, byte for byte."""
    try:
        found = dict(_contents(folder))
    except (FileNotFoundError, NotADirectoryError):
        return False
    expected = {file.path: file.size for file in files}
    if found != expected:
        return False
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        return all(pool.map(lambda file: _is_whole(folder, file), files))


def _is_whole(folder: Path, file: FileEntry) -> bool:
    try:
        return fingerprint_of(folder / file.path) == Fingerprint(file.size, file.sha256)
    except OSError:
        # unreadable, or gone meanwhile: fetched anew either way
        return False


def _contents(folder: Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    if not prefix and folder.is_symlink():
        raise NotADirectoryError(folder)
    with os.scandir(folder) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                yield from _contents(folder / entry.name, f"{prefix}{entry.name}/")
            else:
                # a link or a pipe has no size that a file could have, so the folder never passes for what was asked
                yield prefix + entry.name, status.st_size if stat.S_ISREG(status.st_mode) else -1


def _beside(target: Path) -> Path:
    # In the same folder, hence on the same file system, where a rename is atomic.
    return target.with_name(f".{secrets.token_hex(16)}.part")


def _fill(store: ObjectStore, prefix: str, files: tuple[FileEntry, ...], folder: Path, progress: Progress) -> None:
    for inner in {(folder / file.path).parent for file in files}:
        inner.mkdir(parents=True, exist_ok=True)
    progress.begin(sum(file.size for file in files))
    wanted = (Wanted(prefix + file.path, Fingerprint(file.size, file.sha256), folder / file.path) for file in files)
    download(store, wanted, progress=progress)


def _replace(target: Path, fresh: Path) -> None:
    # A rename lays a folder over an empty one, but over nothing else: what is in the way is moved aside first.
    while True:
        try:
            os.rename(fresh, target)
            return
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        aside = _beside(target)
        with suppress(FileNotFoundError):
            os.rename(target, aside)
            _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
