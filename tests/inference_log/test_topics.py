"""Topics of a real broker, and their schemas in a real registry."""

import pytest

from moorage.components import KafkaTopic
from moorage.errors import LogRefused, LogUnavailable
from moorage.inference_log import record, schemas
from moorage.inference_log.broker import Broker
from moorage.inference_log.topics import Topics
from moorage.predictor import ServingTool
from tests.free_port import free_port


def test_a_topic_is_made_once_with_its_schema(kafka):
    topics, name = Topics(kafka.broker), kafka.topic()
    assert not topics.exists(name)
    for _ in range(2):
        topics.make_ready(KafkaTopic(name=name, partitions=3, replicas=1), ServingTool.KSERVE)
    assert topics.exists(name)
    assert kafka.partitions_of(name) == 3
    assert topics.schema_of(name) == record.schema(4)


def test_a_topic_without_a_schema_has_none(kafka):
    topics, name = Topics(Broker(kafka.broker.servers, "", {})), kafka.topic()
    topics.make_ready(KafkaTopic(name=name), ServingTool.LOCAL)
    assert topics.schema_of(name) is None
    assert Topics(kafka.broker).schema_of(name) is None


def test_more_replicas_than_brokers_are_refused(kafka):
    with pytest.raises(LogRefused, match=r"was not made: .*replication factor"):
        Topics(kafka.broker).make_ready(KafkaTopic(name=kafka.topic(), replicas=9), ServingTool.LOCAL)


def test_a_topic_of_something_else_is_refused(kafka):
    name = kafka.topic()
    orders = {"type": "record", "name": "orders", "fields": [{"name": "id", "type": "int"}], "version": 1}
    schemas.register(kafka.broker.registry_url, name, orders)
    with pytest.raises(LogRefused, match="has a schema that inferences cannot be logged by"):
        Topics(kafka.broker).make_ready(KafkaTopic(name=name), ServingTool.KSERVE)


def test_registering_a_schema_again_gives_the_same_id(kafka):
    url, name = kafka.broker.registry_url, kafka.topic()
    assert schemas.register(url, name, record.schema(4)) == schemas.register(url, name, record.schema(4))


def test_a_broker_that_is_away_is_told(monkeypatch):
    monkeypatch.setattr("moorage.inference_log.topics._TIMEOUT_S", 1)
    with pytest.raises(LogUnavailable, match="did not answer"):
        Topics(Broker(f"127.0.0.1:{free_port()}", "", {})).exists("events")


def test_a_registry_that_is_away_is_told():
    with pytest.raises(LogUnavailable, match="The schema registry did not answer: ConnectError"):
        schemas.latest(f"http://127.0.0.1:{free_port()}", "events")
