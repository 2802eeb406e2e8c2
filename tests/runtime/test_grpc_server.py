"""The V2 protocol by gRPC, answered by the real server beside REST."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from moorage.errors import InferenceFailed
from moorage.inference.grpc_client import InferAnswer, infer
from moorage.inference.tensors import InferInput
from tests.free_port import free_port

SCRIPT = """
    class Predictor:
        def predict(self, inputs):
            if isinstance(inputs, dict):
                return {"sum": [a + b for a, b in zip(inputs["a"], inputs["b"])], "words": ["x", "y"]}
            if inputs == [["break"]]:
                raise KeyError("petals")
            if inputs == [["ragged"]]:
                return [[1], [1, 2]]
            return [row[0] * 2 for row in inputs]
"""
OTHERS_CLIENT = """
import asyncio, json, sys
address = sys.argv.pop()
from kserve import InferRequest, InferInput
from kserve.inference_client import InferenceGRPCClient

async def main():
    client = InferenceGRPCClient(address)
    rows = InferInput("rows", [2, 1], "INT64", [21, 4])
    answer = await client.infer(InferRequest(model_name="iris", infer_inputs=[rows]))
    print(json.dumps([await client.is_server_ready(), answer.outputs[0].as_numpy().tolist()]))

asyncio.run(main())
"""


@dataclass(frozen=True)
class Server:
    address: str

    def ask(self, *tensors: InferInput) -> InferAnswer:
        return infer(self.address, "iris", tensors)


@pytest.fixture(scope="module")
def server(start_runtime):
    port = free_port()
    runtime = start_runtime(SCRIPT, variables={"MOORAGE_GRPC_PORT": str(port)}, smoke_requests=())
    runtime.until_ready()
    assert runtime.ask([[21]]).json() == {"predictions": [42]}
    return Server(f"127.0.0.1:{port}")


def test_the_rows_of_one_tensor_are_what_the_script_is_asked(server):
    answer = server.ask(InferInput("rows", [2, 1], "INT64", [21, 4]))
    [output] = answer.outputs
    assert (output.name, output.shape, output.datatype, output.data) == ("output-0", (2,), "INT64", [42, 8])
    assert answer.parameters["moorage-revision"] == "3"


def test_an_array_is_answered_by_an_array(server):
    [output] = server.ask(InferInput("rows", [2, 1], "FP32", np.array([[1.5], [2.0]], dtype=np.float32))).outputs
    np.testing.assert_array_equal(output.as_numpy(), np.array([3.0, 4.0]))


def test_several_tensors_are_told_by_their_names_and_so_are_several_answers(server):
    answer = server.ask(InferInput("a", [2], "INT32", [1, 2]), InferInput("b", [2], "INT32", [10, 20]))
    assert {output.name: output.data for output in answer.outputs} == {"sum": [11, 22], "words": [b"x", b"y"]}


def test_an_error_of_the_script_is_told(server):
    with pytest.raises(InferenceFailed, match=r"answered INTERNAL: .*KeyError: 'petals'"):
        server.ask(InferInput("rows", [1, 1], "BYTES", ["break"]))


def test_an_answer_that_is_no_tensor_is_told(server):
    with pytest.raises(InferenceFailed, match=r"predict returned 'output-0' as something that is no tensor"):
        server.ask(InferInput("rows", [1, 1], "BYTES", ["ragged"]))


def test_another_model_is_not_found(server):
    with pytest.raises(InferenceFailed, match="answered NOT_FOUND: There is no model 'roses' here"):
        infer(server.address, "roses", [InferInput("rows", [1], "INT8", [1])])


def test_where_nothing_listens_it_is_told():
    with pytest.raises(InferenceFailed, match=r"does not answer at 127\.0\.0\.1"):
        infer(f"127.0.0.1:{free_port()}", "iris", [InferInput("rows", [1], "INT8", [1])])


def test_the_client_of_kserve_is_answered(server):
    command = [sys.executable, "-c", OTHERS_CLIENT, server.address]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, [42, 8]]
