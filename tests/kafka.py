"""A real Kafka broker and schema registry, named by TESTS_KAFKA and TESTS_SCHEMA_REGISTRY."""

from __future__ import annotations

import json
import secrets
import struct
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import fastavro
import httpx
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from moorage.inference_log.broker import Broker


@dataclass(frozen=True)
class Kafka:
    """Where tests log to, each to topics of its own."""

    broker: Broker
    tag: str

    def topic(self, name: str = "events") -> str:
        """A name that no other test has."""
        return f"{self.tag}-{name}"

    @property
    def settings(self) -> dict[str, str]:
        return {"kafka": self.broker.servers, "schema_registry": self.broker.registry_url}

    def partitions_of(self, topic: str) -> int | None:
        found = AdminClient(self.broker.config).list_topics(timeout=10).topics.get(topic)
        return None if found is None else len(found.partitions)

    def events(self, topic: str, count: int, timeout_s: float = 30) -> list[dict[str, Any]]:
        """The first events of a topic, decoded by the schema that each of them names."""
        deadline = time.monotonic() + timeout_s
        return [self._decoded(value) for value in self.values(topic, count, deadline)]

    def values(self, topic: str, count: int, deadline: float) -> list[bytes]:
        """The same, as they lie there."""
        consumer = Consumer({**self.broker.config, "group.id": secrets.token_hex(4), "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        found: list[bytes] = []
        try:
            while len(found) < count:
                assert time.monotonic() < deadline, f"{len(found)} of {count} events in {topic}"
                message = consumer.poll(0.5)
                if message is not None and message.error() is None:
                    found.append(bytes(message.value() or b""))
        finally:
            consumer.close()
        return found

    def _decoded(self, value: bytes) -> dict[str, Any]:
        mark, number = struct.unpack(">bI", value[:5])
        assert mark == 0
        named = httpx.get(f"{self.broker.registry_url}/schemas/ids/{number}").json()["schema"]
        event = fastavro.schemaless_reader(BytesIO(value[5:]), json.loads(named), None)
        assert isinstance(event, dict)
        return event

    def remove_topics(self) -> None:
        admin = AdminClient(self.broker.config)
        left = [name for name in admin.list_topics(timeout=10).topics if self.tag in name]
        for done in admin.delete_topics(left).values() if left else ():
            done.result()
