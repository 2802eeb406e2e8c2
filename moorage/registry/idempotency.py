"""Idempotency keys: at most one committed version each, whoever publishes with it, however often, however late.

A chain of entries leads from a key to its version. Whoever finds another's number in the chain gives that number up
first; only when it cannot, because it is committed, or when it did, is there something to go on with.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from moorage.errors import CallerError, NotFound
from moorage.registry.access import Access
from moorage.registry.manifests import fence, state_of
from moorage.registry.record import ManifestState
from moorage.store.records import read_record, unreadable


class Chain:
    """The numbers that stood for one key of one model, oldest first; all but the last were given up."""

    def __init__(self, access: Access, name: str, idempotency_key: str) -> None:
        if not idempotency_key:
            raise CallerError(
                "The idempotency key is empty.", "It names one attempt to publish.", "Leave it out, or give a text."
            )
        self._access = access
        self._name = name
        self._prefix = access.keys.idempotency(name, idempotency_key)

    def settled(self) -> int | None:
        """The version committed for the key, or None while there is none; writes nothing."""
        for place in count():
            version = self._version_at(place)
            if version is None:
                return None
            state = state_of(self._access, self._name, version)
            if state is not ManifestState.ABORTED:
                return None if state is None else version
        raise AssertionError("unreachable: the chain ends")

    def settle(self, version: int) -> int:
        """The version that stands for the key from now on: `version`, or one that was committed before.

        When it is `version`, nobody else's number can be committed for the key any more, unless somebody gives
        `version` up first.
        """
        for place in count():
            if self._access.put(self._key(place), {"version": version}):
                return version
            other = self._version_at(place)
            if other is None:
                raise unreadable(self._key(place))
            if self._fence(other) is ManifestState.COMMITTED:
                return other
        raise AssertionError("unreachable: the chain ends")

    def _fence(self, version: int) -> ManifestState:
        return fence(self._access, self._name, version, reason="another publisher has the same idempotency key")

    def _version_at(self, place: int) -> int | None:
        key = self._key(place)
        try:
            record: dict[str, Any] = read_record(key, self._access.store.get(key))
        except NotFound:
            return None
        try:
            return int(record["version"])
        except (KeyError, TypeError, ValueError):
            raise unreadable(key) from None

    def _key(self, place: int) -> str:
        return f"{self._prefix}{place}.json"
