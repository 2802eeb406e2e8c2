"""What a model is asked and answers, in a topic of a real broker."""

import json
from typing import Any

import httpx
import pytest

import moorage
from moorage.errors import InferenceFailed, InvalidSpec, LogUnavailable
from tests.cli.terminal import moorage as typed
from tests.free_port import free_port

SCRIPT = """
class Predictor:
    def predict(self, inputs):
        if inputs == [["break"]]:
            raise KeyError("petals")
        return [row.pop() * 2 for row in inputs]
"""
TOPIC = {"num_partitions": 1, "num_replicas": 1}


@pytest.fixture
def model(trained, kafka, monkeypatch):
    for name, value in kafka.settings.items():
        monkeypatch.setenv(f"MOORAGE_{name.upper()}", value)
    monkeypatch.setenv("MOORAGE_PROJECT", kafka.tag)
    (trained.parent / "script.py").write_text(SCRIPT)
    return moorage.login().get_model_registry().python.create_model("double", input_example=[[1]]).save("trained")


def test_both_halves_of_every_exchange_are_logged_under_one_id(model, kafka):
    deployment = model.deploy(script_file="script.py", inference_logger={"kafka_topic": TOPIC})
    deployment.predict(inputs=[[21]])
    with pytest.raises(InferenceFailed):
        deployment.predict(inputs=[["break"]])
    # the smoke test's, asked over HTTP, comes first
    proof, asked, broken = pairs(kafka.events(f"{kafka.tag}-double-inf", 6))
    assert proof == (200, {"instances": [[1]]}, {"predictions": [2]})
    assert asked == (200, {"instances": [[21]]}, {"predictions": [42]})
    assert broken[:2] == (500, {"instances": [["break"]]})
    assert "KeyError" in broken[2]["error"]
    assert f"# logs what it is asked and answers to topic {kafka.tag}-double-inf" in typed(
        "deployment", "show", "double"
    )
    again = model.deploy(script_file="script.py", inference_logger={"kafka_topic": TOPIC})
    assert again.version == 1


def pairs(events):
    """Status, request and answer of each exchange, in their order; every event says what it is of."""
    assert {(event["servingId"], event["modelName"], event["modelVersion"]) for event in events} == {
        ("double", "double", 1)
    }
    by_id: dict[str, dict[str, dict[str, Any]]] = {}
    for event in events:
        by_id.setdefault(event["inferenceId"], {})[event["messageType"]] = event
    return [
        (
            each["request"]["responseHttpCode"],
            json.loads(each["request"]["payload"]),
            json.loads(each["response"]["payload"]),
        )
        for each in by_id.values()
    ]


def test_an_answer_says_under_which_id_it_is_logged(model, kafka):
    deployment = model.deploy(script_file="script.py", inference_logger="PREDICTIONS")
    answer = httpx.post(f"{deployment.get_inference_url()}", json={"instances": [[4]]})
    events = kafka.events(f"{kafka.tag}-double-inf", 2)
    assert {event["messageType"] for event in events} == {"response"}
    assert answer.headers["moorage-inference-id"] == events[-1]["inferenceId"]


def test_a_topic_that_is_named_must_be_there_before_anything_is_done(model, kafka):
    with pytest.raises(InvalidSpec, match=r"there is no topic 'nowhere'"):
        model.deploy(script_file="script.py", inference_logger={"kafka_topic": "nowhere"})
    assert moorage.login().get_model_serving().get_deployments() == []


def test_while_the_broker_is_away_nothing_is_proposed(model, monkeypatch):
    monkeypatch.setenv("MOORAGE_KAFKA", f"127.0.0.1:{free_port()}")
    found = moorage.login().get_model_registry().get_model("double", 1)
    assert found is not None
    monkeypatch.setattr("moorage.inference_log.topics._TIMEOUT_S", 1)
    with pytest.raises(LogUnavailable, match=r"The Kafka broker at .* did not answer"):
        found.deploy(script_file="script.py", inference_logger="ALL")
    assert moorage.login().get_model_serving().get_deployments() == []


def test_without_a_broker_it_is_told_with_all_else(trained, monkeypatch):
    monkeypatch.delenv("MOORAGE_KAFKA", raising=False)
    (trained.parent / "script.py").write_text(SCRIPT)
    model = moorage.login().get_model_registry().python.create_model("double", input_example=[[1]]).save("trained")
    with pytest.raises(InvalidSpec, match=r"inference_logger: No Kafka broker is named\..* Set MOORAGE_KAFKA"):
        model.deploy(script_file="script.py", inference_logger="ALL")
