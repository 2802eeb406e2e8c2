"""JSON objects that are written once, by a writer who can tell its own from another's."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from moorage.errors import IntegrityError
from moorage.store.base import ObjectStore

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, aware, in UTC."""
    return datetime.now(UTC)


def timestamp(clock: Clock) -> str:
    """The clock's time in UTC as ISO 8601 with milliseconds: `2025-03-09T08:07:06.005Z`."""
    return clock().astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def put_record(store: ObjectStore, key: str, fields: Mapping[str, Any]) -> bytes | None:
    """Writes `fields` and a random nonce as JSON unless the key exists.

    Returns:
        The bytes under the key when this call put them there, None when another writer was first.
    """
    record = {**fields, "nonce": secrets.token_hex(16)}
    body = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    # A store client that repeats a write whose answer was lost hears "exists" of its own object: the nonce tells.
    if store.put_if_absent(key, body) or store.get(key) == body:
        return body
    return None


def read_record(key: str, body: bytes) -> dict[str, Any]:
    """The JSON object in `body`.

    Raises:
        IntegrityError: it is none; names `key`.
    """
    try:
        record = json.loads(body)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise unreadable(key)
    return record


def unreadable(key: str) -> IntegrityError:
    """The refusal of an object that is not the record it should be."""
    return IntegrityError(
        f"Object {key!r} is not a record that Moorage wrote.",
        "Objects below Registry/ are written once and never changed.",
        "Restore it from a backup of the store.",
    )
