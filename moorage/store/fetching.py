"""A folder of the store, brought to this machine as it is: scripts and declarations, which are few and small."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

from moorage.errors import NotFound
from moorage.store.base import ObjectStore

# What people write by hand; models are somewhere else.
_MOST_FILES: Final = 10_000


def fetch_folder(store: ObjectStore, prefix: str, folder: Path) -> bool:
    """Writes all that lies below a prefix into a folder, which is made with the first file; False: there is nothing.

    Raises:
        NotFound: there are more files than people write, or a key leads out of the folder.
    """
    count = 0
    for count, info in enumerate(store.list(prefix), start=1):
        if count > _MOST_FILES:
            raise NotFound(
                f"Below {prefix!r} lie more than {_MOST_FILES} files.",
                "A folder of declarations and scripts was expected.",
                "Name a folder further in.",
            )
        inside = PurePosixPath(info.key.removeprefix(prefix))
        if inside.is_absolute() or ".." in inside.parts:
            raise NotFound(
                f"The key {info.key!r} below {prefix!r} leads out of it.", "", "Take it away, or name another folder."
            )
        path = folder / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.get(info.key))
    return count > 0
