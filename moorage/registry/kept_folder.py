"""One folder of the cache: made read-only and written down when it is complete, and told cheaply from a spoiled one."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.errors import IntegrityError
from moorage.registry.record import FileEntry

_SEAL_THREADS: Final = 4


@dataclass(frozen=True)
class Seen:
    """What tells a file from a changed one without reading it: `size` in bytes, `mtime_ns` since the epoch."""

    size: int
    mtime_ns: int


Contents = dict[str, Seen]


def seal(folder: Path, files: tuple[FileEntry, ...]) -> Contents:
    """Makes the folder read-only and durable, and returns what it holds.

    Raises:
        IntegrityError: it does not hold exactly `files`, by their paths and sizes.
    """
    found = contents_of(folder)
    if found is None or {path: seen.size for path, seen in found.items()} != {file.path: file.size for file in files}:
        raise IntegrityError(
            f"The folder {folder} does not hold what was fetched.",
            "Exactly the files of the model were expected, of this user.",
            "See who else writes there, then do it again.",
        )
    with ThreadPoolExecutor(_SEAL_THREADS) as pool:
        for _ in pool.map(_seal_file, [folder / path for path in found]):
            pass
    for place, _, _ in os.walk(folder, topdown=False):
        # The outermost stays writable: a folder that is not can be moved by nobody but the superuser.
        if place != str(folder):
            Path(place).chmod(0o555)
    return found


def contents_of(folder: Path) -> Contents | None:
    """What the folder holds; None when it is none, or when anything in it is no file or folder of this user's."""
    found: Contents = {}
    left = [("", folder)]
    try:
        while left:
            prefix, place = left.pop()
            if not _is_own(status := place.stat(follow_symlinks=False)) or not stat.S_ISDIR(status.st_mode):
                return None
            with os.scandir(place) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        left.append((f"{prefix}{entry.name}/", place / entry.name))
                    elif stat.S_ISREG(status.st_mode) and _is_own(status):
                        found[prefix + entry.name] = Seen(status.st_size, status.st_mtime_ns)
                    else:
                        return None
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    return found


def write_contents(path: Path, contents: Contents) -> None:
    """Writes down what a folder holds."""
    path.write_text(json.dumps({name: [seen.size, seen.mtime_ns] for name, seen in contents.items()}))


def read_contents(path: Path) -> Contents | None:
    """What was written down; None when nothing was, or nothing that can be read."""
    try:
        if not _is_own(path.stat(follow_symlinks=False)):
            return None
        return {name: Seen(size, mtime_ns) for name, (size, mtime_ns) in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def move_aside(path: Path, folder: Path) -> None:
    """Moves what is at `path`, if anything is, into `folder` under a name of its own."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(path.stat(follow_symlinks=False).st_mode):
            path.chmod(0o700)
        path.rename(folder / secrets.token_hex(8))


def remove_tree(path: Path) -> None:
    """Removes the folder or file, read-only or not, as well as it goes; deleting what is gone is not an error."""
    if path.is_symlink() or not path.is_dir():
        with suppress(OSError):
            path.unlink()
        return
    for place, _, _ in os.walk(path):
        with suppress(OSError):
            Path(place).chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)


def _seal_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fchmod(file.fileno(), 0o444)
        # A power cut may otherwise leave a file of the right size and time with nothing in it.
        os.fsync(file.fileno())


def _is_own(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid()
