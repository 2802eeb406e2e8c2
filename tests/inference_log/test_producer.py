"""Events on their way to a real broker, and what becomes of them where there is none."""

import time
from concurrent.futures import ThreadPoolExecutor

import fastavro

from moorage.components import KafkaTopic
from moorage.inference_log import producer, record
from moorage.inference_log.broker import Broker
from moorage.inference_log.producer import InferenceLog
from moorage.inference_log.record import Exchange
from moorage.inference_log.topics import Topics
from moorage.predictor import ServingTool
from tests.free_port import free_port
from tests.values import a_revision
from tests.waiting import until


def exchange(number: int) -> Exchange:
    return Exchange(f"id-{number}", 1_700_000_000_000 + number, 200, f"[{number}]", f"[{number * 2}]")


def logging_to(topic: str, tool: ServingTool = ServingTool.LOCAL):
    return a_revision(2, serving_tool=tool, inference_logger={"mode": "ALL", "kafka_topic": topic})


def test_what_threads_hand_over_arrives_whole(kafka):
    revision = logging_to(kafka.topic())
    Topics(kafka.broker).make_ready(KafkaTopic(name=kafka.topic()), ServingTool.LOCAL)
    log = InferenceLog(revision, kafka.broker)
    until(lambda: log.is_ready, what="the schema's id")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(log.put, map(exchange, range(400))))
    log.close()
    assert log.counts == {"delivered": 800}
    events = kafka.events(kafka.topic(), 800)
    answers = {event["inferenceId"]: event["payload"] for event in events if event["messageType"] == "response"}
    assert answers == {f"id-{number}": f"[{number * 2}]" for number in range(400)}


def test_without_a_registry_events_name_their_schema_by_its_fingerprint(kafka):
    topic = kafka.topic()
    bare = Broker(kafka.broker.servers, "", {})
    Topics(bare).make_ready(KafkaTopic(name=topic), ServingTool.KUBERNETES)
    log = InferenceLog(logging_to(topic, ServingTool.KUBERNETES), bare)
    log.put(exchange(1))
    log.close()
    (value,) = kafka.values(topic, 1, time.monotonic() + 30)
    canonical = fastavro.schema.to_parsing_canonical_form(record.schema(3))
    assert value[:2] == b"\xc3\x01"
    assert value[2:10].hex() == fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")


def test_the_fingerprint_is_in_the_order_that_avro_writes_it_in():
    # of the schema "int", as the specification's test table has it: 0x7275d51a3f395c8f, least byte first
    assert fastavro.schema.fingerprint('"int"', "CRC-64-AVRO") == "8f5c393f1ad57572"


def test_while_the_broker_is_away_a_few_events_are_kept_and_what_is_lost_is_told(caplog, monkeypatch):
    monkeypatch.setattr(producer, "_QUEUE_MESSAGES", 10)
    monkeypatch.setattr(producer, "_FLUSH_S", 0.1)
    log = InferenceLog(logging_to("events"), Broker(f"127.0.0.1:{free_port()}", "", {}))
    for number in range(1000):
        log.put(exchange(number))
    log.close()
    assert log.counts == {"dropped": 1990, "unsent at the end": 10}
    assert "events that did not reach topic events" in caplog.text


def test_while_the_registry_is_away_events_are_counted_as_lost(kafka, caplog):
    log = InferenceLog(logging_to(kafka.topic()), Broker(kafka.broker.servers, f"http://127.0.0.1:{free_port()}", {}))
    log.put(exchange(1))
    log.close()
    assert log.counts == {"no schema yet": 2}
    assert "The schema registry did not answer" in caplog.text
