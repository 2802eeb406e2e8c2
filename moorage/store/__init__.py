"""Where bytes are kept: five verbs (`base`), what has them (`directory`, `s3`), and what is built on them.

`records` writes one object that knows its own writer, `log` numbers such objects into an append-only history, and
`transfer` moves files with their SHA-256.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from moorage.errors import InvalidName, StoreRefused

if TYPE_CHECKING:
    from moorage.store.base import ObjectStore


def open_store(url: str) -> ObjectStore:
    """The store at `url`; nothing is read or written yet, and a directory need not exist.

    Args:
        url: `file:///absolute/path`, with what a URL cannot hold percent-encoded, as `Path.as_uri` does it; or
            `s3://bucket/prefix`, all of it as it is. The endpoint and the credentials are those that boto3 finds.

    Raises:
        InvalidName: it is no such URL.
        StoreRefused: it is in S3, and boto3 is not installed.
    """
    if url.startswith("s3://"):
        return _open_s3(url)
    if not url.startswith("file:///"):
        raise _unsupported(url)
    # Imported here: a pod that reads from S3 need not load what only a directory needs, nor the other way round.
    from pathlib import Path

    from moorage.store.directory import DirectoryStore

    path = os.fsdecode(unquote_to_bytes(url.removeprefix("file://")))
    if "\0" in path:
        raise InvalidName(f"Store URL {url!r} holds a NUL character.", "Stores are written file:///absolute/path.")
    return DirectoryStore(Path(path))


def _open_s3(url: str) -> ObjectStore:
    try:
        from moorage.store.s3 import S3Store
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("boto3", "botocore", "s3transfer"):
            raise
        raise StoreRefused(
            f"{url!r} was not opened: {missing} is not installed.", "", "Install it: pip install 'moorage[s3]'."
        ) from error
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return S3Store(bucket, prefix.removesuffix("/"))


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
        mend = ""
    return InvalidName(what, "Supported are: file:///absolute/path and s3://bucket/prefix.", mend)
