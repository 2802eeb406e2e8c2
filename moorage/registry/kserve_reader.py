"""What KServe's own reader of models (kserve-storage) is to be given, and what it would leave out; pure."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes, urlparse

from moorage.errors import InvalidName
from moorage.registry.record import FileEntry

_S3: Final = "s3://"
_FILE: Final = "file://"


def storage_uri(store_url: str, prefix: str) -> str:
    """The `storageUri` of what lies below `prefix`, which ends with '/'; see `Registry.storage_uri`.

    Raises:
        InvalidName: KServe would read another place, because the store's URL holds what it cuts a URL at.
    """
    if store_url.startswith(_FILE):
        # It takes the path as it stands, where a URL has %20 for a space.
        return _FILE + os.fsdecode(unquote_to_bytes(store_url.removeprefix(_FILE))) + "/" + prefix
    uri = f"{store_url}/{prefix}"
    parsed = urlparse(uri)
    if f"{_S3}{parsed.netloc}{parsed.path}" != uri:
        raise InvalidName(
            f"KServe cannot read from the store {store_url!r}.",
            "It takes the URL's prefix to end at a '?' or a '#'.",
            "Keep the models that KServe is to read itself below another prefix.",
        )
    return uri


def left_out(store_url: str, files: Iterable[FileEntry]) -> list[str]:
    """The paths of the files that KServe would leave out: empty ones, when they lie in S3."""
    return [file.path for file in files if file.size == 0] if store_url.startswith(_S3) else []
