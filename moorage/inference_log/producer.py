"""From exchanges to Kafka, in a model server: nobody who asks ever waits for it, and nothing of it fails a request."""

from __future__ import annotations

import logging
import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Final

import fastavro
from confluent_kafka import KafkaError, Message, Producer

from moorage.deployment import Revision
from moorage.errors import LogRefused, LogUnavailable
from moorage.inference_log import record, schemas
from moorage.inference_log.broker import Broker
from moorage.inference_log.record import Exchange

log = logging.getLogger(__name__)

DELIVERED: Final = "delivered"
# The queue in this process is full: the broker does not keep up, or is away.
DROPPED: Final = "dropped"
_POLL_S: Final = 0.1
_REGISTRY_PAUSE_S: Final = 5
_TELL_EVERY_S: Final = 60
_FLUSH_S: Final = 5
# An event that was not taken for so long is told as lost; it may have been stored all the same.
_DELIVERY_MS: Final = 30_000
_QUEUE_MESSAGES: Final = 100_000
_QUEUE_KB: Final = 64 * 1024
# Marks of the two encodings: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/
# and https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding
_CONFLUENT: Final = b"\x00"
_SINGLE_OBJECT: Final = b"\xc3\x01"


class InferenceLog:
    """A revision's events, sent in the background.

    Threads may share it. `counts` tells how many events came to what end; the names of Kafka's errors are among them.

    Args:
        revision: whose exchanges they are; it has an inference logger.
        broker: where they go.
    """

    def __init__(self, revision: Revision, broker: Broker) -> None:
        topic = revision.log_topic
        assert topic is not None  # noqa: S101 - nobody logs for one that has none
        self._revision = revision
        self._broker = broker
        self._topic = topic.name
        plain = record.schema(record.schema_version(revision.serving_tool))
        self._plain_schema = plain
        self._schema = fastavro.parse_schema(plain)
        self._prefix = None if broker.registry_url else _SINGLE_OBJECT + _fingerprint(plain)
        self._producer = Producer(
            {
                **broker.config,
                "acks": "all",
                "enable.idempotence": True,
                "linger.ms": 5,
                "delivery.timeout.ms": _DELIVERY_MS,
                "queue.buffering.max.messages": _QUEUE_MESSAGES,
                "queue.buffering.max.kbytes": _QUEUE_KB,
                "error_cb": lambda _: None,  # told by the counts
            }
        )
        self.counts: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._tell_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="inference-log", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether it is known how events are encoded; those that come earlier are lost."""
        return self._prefix is not None

    def put(self, exchange: Exchange) -> None:
        """Hands over what is logged of an exchange; returns at once, and raises nothing."""
        for event in record.records(self._revision, exchange):
            prefix = self._prefix
            if prefix is None:
                self.counts["no schema yet"] += 1
                continue
            try:
                value = prefix + _encoded(self._schema, event)
                self._producer.produce(self._topic, value, on_delivery=self._delivered)
            except BufferError:
                self.counts[DROPPED] += 1
            except Exception as exc:  # noqa: BLE001 - a log never fails what it logs
                self.counts[type(exc).__name__] += 1

    def close(self) -> None:
        """Sends what is left, for some seconds, and tells what could not be sent."""
        self._closing.set()
        self._thread.join()
        left = self._producer.flush(_FLUSH_S)
        if left:
            self.counts["unsent at the end"] += left
        self._tell(now=True)

    def _work(self) -> None:
        while self._prefix is None and not self._closing.is_set():
            self._prefix = self._registered()
            if self._prefix is None:
                self._closing.wait(_REGISTRY_PAUSE_S)
        while not self._closing.is_set():
            self._producer.poll(_POLL_S)
            self._tell()

    def _registered(self) -> bytes | None:
        try:
            number = schemas.register(self._broker.registry_url, self._topic, self._plain_schema)
        except (LogUnavailable, LogRefused) as exc:
            log.warning("inference log: %s", exc)
            return None
        return _CONFLUENT + struct.pack(">i", number)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        self.counts[DELIVERED if error is None else error.name()] += 1

    def _tell(self, *, now: bool = False) -> None:
        """Says what was lost since it was said last, a line a minute."""
        lost = Counter({name: count for name, count in self.counts.items() if name != DELIVERED}) - self._told
        if lost and (now or time.monotonic() >= self._tell_at):
            parts = ", ".join(f"{count} × {name}" for name, count in sorted(lost.items()))
            log.warning("inference log: events that did not reach topic %s: %s", self._topic, parts)
            self._told += lost
            self._tell_at = time.monotonic() + _TELL_EVERY_S


def _encoded(schema: Any, event: Mapping[str, Any]) -> bytes:
    body = BytesIO()
    fastavro.schemaless_writer(body, schema, event)
    return body.getvalue()


def _fingerprint(schema: dict[str, Any]) -> bytes:
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
