"""Where a directory store writes before it publishes: files of random names that no reader looks at."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from moorage.errors import StoreRefused
from moorage.store.folders import open_folder, status_of

STAGE: Final = ".moorage-stage"
# Longer than any upload: a file still being written is touched all the time, one this old has lost its writer.
ABANDONED_AFTER_S: Final = 24 * 3600


class StagedFile:
    """A file being written in the stage of `root`; whoever makes it must `discard` it, published or not."""

    def __init__(self, root: Path) -> None:
        self._name = secrets.token_hex(16)
        with open_folder(root, (STAGE,), create=True) as stage:
            self._file = os.open(self._name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=stage)
            self._stage = os.dup(stage)

    def write(self, chunk: bytes) -> None:
        """Appends all of `chunk`."""
        rest = memoryview(chunk)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def sync(self) -> None:
        """Makes what was written durable."""
        os.fsync(self._file)

    def link(self, folder: int, name: str) -> None:
        """Publishes the file as `name` in `folder`.

        Raises:
            FileExistsError: the name is taken.
            FileNotFoundError: the folder or the staged file is gone.
        """
        os.link(self._name, name, src_dir_fd=self._stage, dst_dir_fd=folder)

    def discard(self) -> None:
        """Removes the staged name; what was published stays."""
        os.close(self._file)
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._stage)
        os.close(self._stage)


@dataclass(frozen=True)
class PublishedFile:
    """A file that is published already: `name` in the open folder `folder`."""

    folder: int
    name: str

    def link(self, folder: int, name: str) -> None:
        """Publishes it as `name` in `folder` too; raises as `StagedFile.link` does."""
        if not stat.S_ISREG(status_of(self.folder, self.name).st_mode):
            raise FileNotFoundError(self.name)
        os.link(self.name, name, src_dir_fd=self.folder, dst_dir_fd=folder, follow_symlinks=False)

    def is_gone(self) -> bool:
        """Whether it was removed, or is no file."""
        try:
            return not stat.S_ISREG(status_of(self.folder, self.name).st_mode)
        except FileNotFoundError:
            return True


def prove_hard_links(stage: int, root: Path, *, link: Callable[..., Any] = os.link) -> None:
    """Links a file twice: the first must succeed, the second must be refused.

    Raises:
        StoreRefused: the file system has no hard links, or overwrites with them.
    """
    first, second = (f"probe-{secrets.token_hex(16)}" for _ in range(2))
    os.close(os.open(first, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=stage))
    try:
        link(first, second, src_dir_fd=stage, dst_dir_fd=stage)
        link(first, second, src_dir_fd=stage, dst_dir_fd=stage)
    except FileExistsError:
        return
    except OSError as error:
        raise _unsuited(root, f"has no hard links ({(error.strerror or str(error)).lower()})") from error
    finally:
        for name in (first, second):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=stage)
    raise _unsuited(root, "lets one hard link overwrite another")


def sweep_stage(stage: int) -> None:
    """Removes what killed writers left more than `ABANDONED_AFTER_S` seconds ago."""
    oldest = time.time() - ABANDONED_AFTER_S
    with os.scandir(stage) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    os.unlink(entry.name, dir_fd=stage)


def _unsuited(root: Path, why: str) -> StoreRefused:
    return StoreRefused(
        f"{root} cannot be a store: its file system {why}.",
        "Two writers of one version number are told apart by hard links (ext4, xfs, btrfs, APFS, NFS).",
        "Put the store on such a file system.",
    )
