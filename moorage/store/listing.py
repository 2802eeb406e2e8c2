"""The files of a directory store as a list of objects, in byte order of their keys."""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from moorage.store.base import ObjectInfo
from moorage.store.folders import link_refused, open_folder, status_of
from moorage.store.staging import STAGE


def objects_below(root: Path, parts: tuple[str, ...], *, start: str, is_short: bool) -> Iterator[ObjectInfo]:
    """The objects in the folder `parts` whose next part begins with `start`; what vanishes meanwhile is left out.

    Args:
        is_short: the caller stops after a few, so the folder is not sorted as a whole.

    Raises:
        InvalidName: a symbolic link lies among them.
    """
    try:
        with open_folder(root, parts) as folder:
            names = _names_in(folder, start=start, is_root=not parts)
            for name in _smallest_first(names) if is_short else sorted(names):
                plain = os.fsdecode(name)
                if plain.endswith("/"):
                    yield from objects_below(root, (*parts, plain[:-1]), start="", is_short=is_short)
                elif found := _object(folder, plain, key="/".join((*parts, plain))):
                    yield found
    except (FileNotFoundError, NotADirectoryError):
        return


def _names_in(folder: int, *, start: str, is_root: bool) -> list[bytes]:
    # A folder bears its '/' here: its keys sort after 'x-y' and 'x.y', and before 'x0'.
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(start) or (is_root and entry.name.casefold() == STAGE):
                continue
            if entry.is_symlink():
                raise link_refused(entry.name)
            names.append(os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b""))
    return names


def _smallest_first(names: list[bytes]) -> Iterator[bytes]:
    # One pass instead of a sort: the newest of 20,000 versions is asked for all the time.
    heapq.heapify(names)
    while names:
        yield heapq.heappop(names)


def _object(folder: int, name: str, *, key: str) -> ObjectInfo | None:
    try:
        status = status_of(folder, name)
    except FileNotFoundError:
        return None
    return ObjectInfo(key, status.st_size, status.st_mtime) if stat.S_ISREG(status.st_mode) else None
