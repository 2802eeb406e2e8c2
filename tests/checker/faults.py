"""Faults that the protocol excludes, each put back by spoiling one step; the checker has to catch them all."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from moorage.registry.garbage import Collector
from moorage.registry.idempotency import Chain
from moorage.registry.manifests import state_of
from moorage.registry.publication import Publisher
from moorage.registry.record import ManifestState
from moorage.registry.registry import Registry
from moorage.store.base import ObjectInfo, ObjectStore
from moorage.store.records import put_record
from tests.checker.memory import MemoryStore
from tests.checker.schedule import MANNER, System


class OverwritingStore(MemoryStore):
    """Accepts the condition and ignores it."""

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        self.delete(key)
        return super().put_if_absent(key, body)


class OverwritingManifests(OverwritingStore):
    """Ignores the condition for commits only."""

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if key.endswith("-manifest.json"):
            return super().put_if_absent(key, body)
        return MemoryStore.put_if_absent(self, key, body)


class NoFence(Collector):
    """Takes a number without a manifest for abandoned, and writes nothing that would make it so."""

    def _fence(self, version: int) -> ManifestState:
        return ManifestState.ABORTED


class ForgetfulCollector(Collector):
    """Removes claim and manifest of what was given up, so that its number is taken again."""

    def _remove(self, prefix: str) -> list[ObjectInfo]:
        version = int(prefix.rstrip("/").rpartition("/")[2])
        found = super()._remove(prefix)
        if state_of(self._access, self._name, version) is ManifestState.ABORTED:
            self._access.store.delete(self._access.keys.claim(self._name, version))
            self._access.store.delete(self._access.keys.manifest(self._name, version))
        return found


class NoChain(Chain):
    """Believes that it is alone with its key."""

    def settled(self) -> int | None:
        return None

    def settle(self, version: int) -> int:
        return version


class NoFenceInChain(Chain):
    """Reads what became of another's number, and goes on when that is open."""

    def _fence(self, version: int) -> ManifestState:
        return state_of(self._access, self._name, version) or ManifestState.ABORTED


def without_nonce(part: str, *who: str) -> System:
    """The protocol with a put that takes its own record for another's, where the answer to its first write was lost."""

    def put(store: ObjectStore, key: str, fields: Mapping[str, Any]) -> bytes | None:
        if part not in key:
            return put_record(store, key, fields)
        body = json.dumps({**fields, "nonce": secrets.token_hex(16)}).encode()
        return body if store.put_if_absent(key, body) else None

    return System(manner=replace(MANNER, put=put), who=who)


def always_won(part: str, *who: str) -> System:
    """The protocol with a put that takes its record for written, whoever was first."""

    def put(store: ObjectStore, key: str, fields: Mapping[str, Any]) -> bytes | None:
        if part not in key:
            return put_record(store, key, fields)
        body = json.dumps({**fields, "nonce": secrets.token_hex(16)}).encode()
        store.put_if_absent(key, body)
        return body

    return System(manner=replace(MANNER, put=put), who=who)


def with_collector(collector: type[Collector], *who: str) -> System:
    """The protocol with another way of collecting garbage."""

    class Spoiled(Registry):
        def _collector(self, name: str, **options: Any) -> Collector:
            return collector(self._access, name, **options)

    return System(registry=Spoiled, who=who)


def with_chain(chain: type[Chain], *who: str) -> System:
    """The protocol with another way of keeping idempotency keys."""

    class Spoiled(Registry):
        def _publisher(self, name: str, *, idempotency_key: str | None, **options: Any) -> Publisher:
            publisher = Publisher(self._access, name, idempotency_key=idempotency_key, **options)
            if idempotency_key:
                publisher._chain = chain(self._access, name, idempotency_key)
            return publisher

    return System(registry=Spoiled, who=who)


# Only those take part whom a fault concerns: it shows in tens of schedules then, and not in hundreds.
FAULTS = {
    "1 put-if-absent overwrites": System(store=OverwritingStore),
    "2 the commit overwrites": System(store=OverwritingManifests, who=("publisher", "collector")),
    "3 garbage is collected without the fence": with_collector(NoFence, "publisher", "collector"),
    "4 garbage collection removes claims": with_collector(ForgetfulCollector, "publisher", "collector"),
    "5 no nonce check at the commit": without_nonce("-manifest.json", "publisher"),
    "6 no nonce check in the references log": without_nonce("/r/", "client"),
    "7 a builder returns the number it lost": always_won("/a/", "builder"),
    "8 no idempotency chain": with_chain(NoChain, "repeated"),
    "9 a chain without the fence": with_chain(NoFenceInChain, "repeated"),
}
