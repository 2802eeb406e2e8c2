"""Where bytes are kept: five verbs (`base`), a directory that has them (`directory`), and what is built on them.

`records` writes one object that knows its own writer, `log` numbers such objects into an append-only history, and
`transfer` moves files with their SHA-256.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from moorage.errors import InvalidName

if TYPE_CHECKING:
    from moorage.store.base import ObjectStore


def open_store(url: str) -> ObjectStore:
    """The store at `url`; nothing is read or written yet, and a directory need not exist.

    Args:
        url: `file:///absolute/path`, with what a URL cannot hold percent-encoded, as `Path.as_uri` does it.

    Raises:
        InvalidName: it is no such URL.
    """
    if not url.startswith("file:///"):
        raise _unsupported(url)
    # Imported here: a pod that reads from S3 need not load what only a directory needs, nor the other way round.
    from pathlib import Path

    from moorage.store.directory import DirectoryStore

    path = os.fsdecode(unquote_to_bytes(url.removeprefix("file://")))
    if "\0" in path:
        raise InvalidName(f"Store URL {url!r} holds a NUL character.", "Stores are written file:///absolute/path.")
    return DirectoryStore(Path(path))


def _unsupported(url: str) -> InvalidName:
    scheme, separator, _ = url.partition("://")
    if not separator:
        what = f"{url!r} is no store URL."
        mend = f"Write {'file://' + os.path.abspath(url) if url else 'file:///srv/moorage'!r}."
    elif scheme == "file":
        what = f"Store URL {url!r} names no absolute path."
        mend = "Write three slashes: file:///srv/moorage."
    else:
        what = f"Store URL {url!r} has the scheme {scheme + '://'!r}, which is not supported."
        mend = "s3:// is not there yet; keep the models in a directory." if scheme == "s3" else ""
    return InvalidName(what, "Supported is: file:///absolute/path.", mend)
