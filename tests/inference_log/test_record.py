"""What is logged of an exchange, by mode and serving tool."""

import io

import fastavro
import pytest

from moorage.inference_log import record
from moorage.inference_log.record import Exchange
from moorage.predictor import ServingTool
from tests.values import a_revision

EXCHANGE = Exchange("id-1", 1_700_000_000_000, 200, '{"instances": [[1]]}', '{"predictions": [2]}')


def logged(mode: str, tool: ServingTool = ServingTool.KSERVE):
    return record.records(a_revision(3, serving_tool=tool, inference_logger={"mode": mode}), EXCHANGE)


@pytest.mark.parametrize(
    ("mode", "kinds"),
    [("ALL", ["request", "response"]), ("MODEL_INPUTS", ["request"]), ("PREDICTIONS", ["response"]), ("NONE", [])],
)
def test_a_mode_says_which_half_is_logged(mode, kinds):
    assert [event["messageType"] for event in logged(mode)] == kinds


def test_both_halves_share_their_id_and_tell_how_it_ended():
    request, response = logged("ALL")
    assert request == {
        "servingId": "iris",
        "modelName": "iris_classifier",
        "modelVersion": 1,
        "requestTimestamp": 1_700_000_000_000,
        "responseHttpCode": 200,
        "revision": 3,
        "inferenceId": "id-1",
        "messageType": "request",
        "payload": '{"instances": [[1]]}',
    }
    assert response == request | {"messageType": "response", "payload": '{"predictions": [2]}'}


def test_plain_kubernetes_has_one_event_for_both():
    (event,) = logged("ALL", ServingTool.KUBERNETES)
    assert (event["inferenceRequest"], event["inferenceResponse"]) == ('{"instances": [[1]]}', '{"predictions": [2]}')
    assert (event["modelServer"], event["servingTool"]) == ("PYTHON", "KUBERNETES")
    assert "inferenceId" not in event


@pytest.mark.parametrize("tool", ServingTool)
def test_every_event_is_written_and_read_by_the_schema_of_its_tool(tool):
    schema = record.schema(record.schema_version(tool))
    for event in logged("ALL", tool):
        body = io.BytesIO()
        fastavro.schemaless_writer(body, fastavro.parse_schema(schema), event)
        body.seek(0)
        assert fastavro.schemaless_reader(body, schema, None) == event


def test_a_topic_for_something_else_is_told_apart():
    assert record.problem_with(record.schema(4), ServingTool.KSERVE) == ""
    assert record.problem_with(record.schema(3), ServingTool.KUBERNETES) == ""
    assert "version 3, not 4" in record.problem_with(record.schema(3), ServingTool.LOCAL)
    assert "'orders'" in record.problem_with({"type": "record", "name": "orders"}, ServingTool.KSERVE)
