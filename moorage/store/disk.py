"""What the operating system says of a disk, in our errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from moorage.errors import InvalidName, MoorageError, StoreRefused, StoreUnavailable

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_UNNAMEABLE: Final = frozenset({errno.ENAMETOOLONG, errno.EILSEQ})
_IN_THE_WAY: Final = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR})


@contextmanager
def disk_errors(what: str, folder: Path) -> Iterator[None]:
    """Turns every OSError of its body into the error that says who acts.

    Args:
        what: what did not happen, a clause without a full stop: "Object 'x' was not written".
        folder: where it should have happened; free space is told for it.

    Raises:
        StoreRefused: disk full, read-only, not permitted, or something is in the way.
        InvalidName: the file system cannot hold such a name.
        StoreUnavailable: anything else.
    """
    try:
        yield
    except OSError as error:
        raise disk_error(what, folder, error) from error


def disk_error(what: str, folder: Path, error: OSError) -> MoorageError:
    """The error that says who acts on `error`, and how."""
    if error.errno in _FULL:
        return StoreRefused(
            f"{what}: disk full.", f"{_free_space(folder)} at {folder}.", "Free some space there, and do it again."
        )
    if error.errno == errno.EFBIG:
        return StoreRefused(f"{what}: it is larger than a file at {folder} may be.", "", "Raise the limit (ulimit -f).")
    if error.errno == errno.EROFS:
        return StoreRefused(f"{what}: {folder} is mounted read-only.", "", "Mount it writable, or use another store.")
    if error.errno in _FORBIDDEN:
        mend = f"Let user {os.getuid()} read and write it, or use another folder."
        return StoreRefused(f"{what}: {_reason(error)} at {folder}.", "", mend)
    if error.errno in _UNNAMEABLE:
        return InvalidName(f"{what}: {_reason(error)} at {folder}.", "", "Choose another name.")
    if error.errno in _IN_THE_WAY:
        return StoreRefused(f"{what}: {_reason(error)} at {folder}.", "A folder was expected.", "Use another folder.")
    return StoreUnavailable(f"{what}: {_reason(error)} at {folder}.", "", "Look at the disk, then do it again.")


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _free_space(folder: Path) -> str:
    for place in (folder, *folder.parents):
        try:
            free = os.statvfs(place)
        except OSError:
            continue
        return f"{free.f_bavail * free.f_frsize / 1e6:,.1f} MB are free"
    return "No space is known to be free"
