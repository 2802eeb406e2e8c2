"""The topics that inferences are logged to: looked for, and made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from moorage.components import KafkaTopic
from moorage.errors import LogRefused, LogUnavailable
from moorage.inference_log import record, schemas
from moorage.inference_log.broker import Broker
from moorage.predictor import ServingTool

_TIMEOUT_S: Final = 10
# What the broker itself chooses: https://cwiki.apache.org/confluence/display/KAFKA/KIP-464
_AS_THE_BROKER: Final = -1


@dataclass(frozen=True)
class Topics:
    """Those of one broker."""

    broker: Broker

    def exists(self, name: str) -> bool:
        """Whether there is such a topic. Raises LogUnavailable."""
        try:
            # asked for one by its name, some brokers would make it
            found = self._admin().list_topics(timeout=_TIMEOUT_S).topics
        except KafkaException as exc:
            raise _unavailable(self.broker, exc) from exc
        return name in found

    def schema_of(self, name: str) -> Mapping[str, Any] | None:
        """Its newest schema; None where it has none, or there is no registry. Raises LogUnavailable, LogRefused."""
        return schemas.latest(self.broker.registry_url, name) if self.broker.registry_url else None

    def make_ready(self, topic: KafkaTopic, tool: ServingTool) -> None:
        """Makes a topic where there is none of its name, and registers the schema that a serving tool logs by.

        Raises:
            LogUnavailable: broker or registry did not answer.
            LogRefused: one of them refuses: rights, more replicas than brokers, another schema.
        """
        if not self.exists(topic.name):
            self._create(topic)
        if self.broker.registry_url:
            schemas.register(self.broker.registry_url, topic.name, record.schema(record.schema_version(tool)))

    def _create(self, topic: KafkaTopic) -> None:
        wanted = NewTopic(topic.name, topic.partitions or _AS_THE_BROKER, topic.replicas or _AS_THE_BROKER)
        admin = self._admin()  # kept until it is done, or its answers are lost
        try:
            admin.create_topics([wanted], request_timeout=_TIMEOUT_S)[topic.name].result()
        except KafkaException as exc:
            error: KafkaError = exc.args[0]
            if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return
            if error.retriable() or error.code() in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT):  # noqa: SLF001
                raise _unavailable(self.broker, exc) from exc
            raise LogRefused(
                f"Topic {topic.name!r} was not made: {error.str()}", "", "Ask for less, or grant Create on the topic."
            ) from exc

    def _admin(self) -> AdminClient:
        try:
            return AdminClient(self.broker.config)
        except KafkaException as exc:
            raise LogRefused(
                f"The broker cannot be asked: {exc.args[0].str()}", "", "See the KAFKA_* variables."
            ) from exc


def _unavailable(broker: Broker, exc: KafkaException) -> LogUnavailable:
    return LogUnavailable(
        f"The Kafka broker at {broker.servers} did not answer: {exc.args[0].str()}.",
        mend="See whether it runs, and whether MOORAGE_KAFKA and the KAFKA_* variables are right.",
    )
