"""Under which names files can lie in a version's folder, in every store and on every disk; pure."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from moorage.errors import InvalidName
from moorage.store.base import check_key

# What the longest project and model names leave of a key's 1,024 bytes, rounded down.
MAX_PATH_BYTES: Final = 640


def problem_with_name(name: str) -> str | None:
    """Why no file can be stored under `name`, a path in a version's folder, or None."""
    if is_too_long(name):
        return f"the path {name[:80]!r}… is longer than {MAX_PATH_BYTES} bytes"
    if "\\" in name:
        # SeaweedFS does, and so does every download to Windows.
        return f"{name!r} holds a backslash, which some stores take for '/'"
    try:
        check_key(name)
    except InvalidName as error:
        return error.what.rstrip(".")
    return None


def is_too_long(name: str) -> bool:
    """Whether a store could not hold the name below every project and model."""
    return len(os.fsencode(name)) > MAX_PATH_BYTES


def clashes(names: Iterable[str]) -> list[str]:
    """Why files of these names cannot all lie in one folder, on whatever disk.

    Two names that are apart here, and in a store, may be one on the disks of macOS and Windows: one of the two files
    would be lost there when they are downloaded.
    """
    times = Counter(names)
    folders = {folder for name in times for folder in _folders_of(name)}
    return [
        *(f"{path!r} would be there twice" for path, count in times.items() if count > 1),
        *(f"{path!r} would be a file and a folder" for path in sorted(folders & times.keys())),
        *_one_on_some_disk(times),
    ]


def is_one_name(first: str, second: str) -> bool:
    """Whether some disk holds the two as one: those of macOS and Windows heed neither case nor composition."""
    return _on_any_disk(first) == _on_any_disk(second)


def _one_on_some_disk(names: Iterable[str]) -> list[str]:
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for name in names:
        for path in (*_folders_of(name), name):
            other = first.setdefault(_on_any_disk(path), path)
            # Below two folders that are one, everything else would be told again.
            if other != path and other.rpartition("/")[0] == path.rpartition("/")[0]:
                found[path] = f"{other!r} and {path!r} are one name on macOS and Windows"
    return list(found.values())


def _folders_of(name: str) -> Iterator[str]:
    end = name.find("/")
    while end >= 0:
        yield name[:end]
        end = name.find("/", end + 1)


def _on_any_disk(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())
