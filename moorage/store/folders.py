"""Folders below a root, opened one by one so that no symbolic link is followed.

Descriptors, not paths: what was checked is what is used, even when somebody swaps a folder for a link in between.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from moorage.errors import InvalidName

_ROOT_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY
_FLAGS: Final = _ROOT_FLAGS | os.O_NOFOLLOW


@contextmanager
def open_folder(root: Path, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """A descriptor of the folder `parts` below `root`; the root itself may be a link, and is never created.

    Args:
        create: make what is missing, durably.

    Raises:
        FileNotFoundError: it is not there; with `create`, somebody removed it at the same moment.
        NotADirectoryError: a part of it is a file.
        InvalidName: a part of it is a symbolic link.
    """
    folder = os.open(root, _ROOT_FLAGS)
    try:
        for name in parts:
            inner = _enter(folder, name, create=create)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def status_of(folder: int, name: str) -> os.stat_result:
    """What `name` in `folder` is.

    Raises:
        FileNotFoundError: there is no such entry.
        InvalidName: it is a symbolic link.
    """
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        raise link_refused(name)
    return status


def tag_of(status: os.stat_result) -> str:
    """What a directory store says of a file's content: when it was written.

    Links to it say the same, and copies of the whole directory that keep times.
    """
    return str(status.st_mtime_ns)


def link_refused(name: str) -> InvalidName:
    """The refusal of a symbolic link that lies where a folder or an object should."""
    return InvalidName(
        f"{name!r} in the store is a symbolic link.",
        "A directory store holds plain files and folders only, and follows no links.",
        "Remove the link, and publish what it pointed to.",
    )


def sync_folder(path: Path) -> None:
    """Makes the entries of the folder durable."""
    with open_folder(path, ()) as folder:
        os.fsync(folder)


def _enter(folder: int, name: str, *, create: bool) -> int:
    if create:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
            os.fsync(folder)
    try:
        return os.open(name, _FLAGS, dir_fd=folder)
    except OSError as error:
        # Linux says ENOTDIR for a link opened this way, BSD and macOS say ELOOP
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            status_of(folder, name)
        raise
