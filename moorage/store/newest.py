"""The first keys below many folders at once; where keys are numbers turned round, those are the newest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from moorage.store.base import ObjectStore

# So many objects are listed at once, rather than asking for each folder: three pages of S3's.
_MOST: Final = 3000


def first_keys(store: ObjectStore, prefix: str, folders: Collection[str], *, each: int = 1) -> dict[str, list[str]]:
    """By folder below `prefix`, its first so many keys; a folder without objects is left out.

    One list in the place of one for each folder, as long as there is not much more to list than was asked for.

    Args:
        prefix: ends with '/'.
        folders: as `iris/v`, without a '/' at the end.
    """
    listed = list(store.list(prefix, limit=_MOST)) if len(folders) > 1 else []
    if len(folders) < 2 or len(listed) == _MOST:
        with ThreadPoolExecutor(max(1, min(len(folders), store.parallel))) as pool:
            lists = pool.map(lambda folder: list(store.list(f"{prefix}{folder}/", limit=each)), folders)
            found = {folder: [info.key for info in infos] for folder, infos in zip(folders, lists, strict=True)}
        return {folder: keys for folder, keys in found.items() if keys}
    wanted = frozenset(folders)
    kept: defaultdict[str, list[str]] = defaultdict(list)
    for info in listed:
        folder = info.key.removeprefix(prefix).rpartition("/")[0]
        if folder in wanted and len(kept[folder]) < each:
            kept[folder].append(info.key)
    return {folder: keys for folder, keys in kept.items() if keys}
