"""Model servers that are not ours, behind our own edge; programs that stand in for them are on PATH.

That vLLM itself is started and asked so is tested in `test_vllm.py`.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from moorage.deployment import ResolvedArtifact, ResolvedModel
from moorage.runtime.proxy import Proxy
from moorage.startup import Cause, Stage
from tests.runtime.conftest import Runtime, StartRuntime, wait_until

STAND_INS = Path(__file__).parents[1] / "stand_ins"
ON_PATH = {"PATH": f"{STAND_INS}{os.pathsep}{os.environ['PATH']}"}
LLM: dict[str, Any] = {
    "model": ResolvedModel(name="roses", version=1, digest="sha256:aa", framework="LLM"),
    "artifact": ResolvedArtifact(version=1, digest="sha256:bb", config_file="vllm.yaml"),
    "model_server": "VLLM",
    "environment": "vllm-openai",
}
TENSORFLOW = {
    "model": ResolvedModel(name="iris", version=1, digest="sha256:aa", framework="TENSORFLOW"),
    "artifact": ResolvedArtifact(version=0),
    "model_server": "TENSORFLOW_SERVING",
    "environment": "tensorflow-serving",
}

StartVllm = Callable[..., Runtime]


@pytest.fixture
def start_vllm(start_runtime: StartRuntime) -> Iterator[StartVllm]:
    """Starts one with a model of those words, and a configuration of those lines."""
    started: list[Runtime] = []

    def start(config: str = "max-model-len: 256", words: dict[str, str] | None = None, **more: Any) -> Runtime:
        runtime = start_runtime(
            None,
            files={"vllm.yaml": config, "template.jinja": "{{ messages }}"},
            model_files={"words.json": json.dumps({"hello": "Aye,"} | (words or {}))},
            variables=ON_PATH,
            **LLM | more,
        )
        started.append(runtime)
        return runtime

    yield start
    for each in started:
        each.process.send_signal(signal.SIGINT)
        each.process.wait(timeout=20)


def start_tensorflow(start_runtime: StartRuntime, factor: str = "2", folder: str = "", **more: Any) -> Runtime:
    files = {f"{folder}saved_model.pb": factor, f"{folder}variables/variables.index": ""}
    return start_runtime(None, model_files=files, variables=ON_PATH, **TENSORFLOW | more)


def post(runtime: Runtime, path: str, **body: Any) -> httpx.Response:
    with runtime.client() as client:
        return client.post(path, json={"model": "iris", **body})


def failure_of(runtime: Runtime) -> Any:
    assert runtime.ended() == 1, runtime.log()
    failure = runtime.report().failure
    assert failure is not None
    return failure


def children(runtime: Runtime) -> list[psutil.Process]:
    return psutil.Process(runtime.process.pid).children(recursive=True)


def test_vllm_is_started_proven_and_asked_by_openais_api(start_vllm: StartVllm) -> None:
    requests = [
        {"inputs": "ships", "expect": "Aye, ships"},
        {"inputs": [{"role": "user", "content": "tides"}], "expect": "Aye, tides"},
        {"data": {"input": "four"}, "expect": [[4.0]]},
    ]
    runtime = start_vllm(smoke_requests=requests)
    runtime.until_ready()
    answer = post(runtime, "/v1/completions", prompt="ropes")
    assert answer.json()["choices"][0]["text"] == "Aye, ropes"
    said = {name: answer.headers[name] for name in ("moorage-revision", "moorage-model-digest")}
    assert said == {"moorage-revision": "3", "moorage-model-digest": "sha256:aa"}
    with runtime.client() as client:
        assert client.get("/v1/models/iris").json() == {"name": "iris", "ready": True}
        assert client.get("/v1/models").json()["data"][0]["id"] == "iris"
        assert client.get("/nowhere").status_code == 404
    assert "loading with HF_HUB_OFFLINE=1" in runtime.log()


def test_streams_pass_as_they_come_and_end_when_their_caller_leaves(start_vllm: StartVllm, tmp_path: Path) -> None:
    left = tmp_path / "left"
    runtime = start_vllm(words={"left": str(left)})
    runtime.until_ready()
    asked = {"model": "iris", "prompt": "x", "stream": True, "max_tokens": 5}
    with runtime.client() as client, client.stream("POST", "/v1/completions", json=asked) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        events = [line for line in answer.iter_lines() if line]
    assert len(events) == 6
    assert events[-1] == "data: [DONE]"
    asked["max_tokens"] = 100_000
    with runtime.client() as client, client.stream("POST", "/v1/completions", json=asked) as answer:
        next(answer.iter_lines())
    wait_until(left.exists)


def test_one_that_hangs_is_not_ready_until_it_goes_on(start_vllm: StartVllm) -> None:
    runtime = start_vllm()
    runtime.until_ready()
    (child,) = children(runtime)
    child.suspend()
    with runtime.client() as client:
        hanging = client.get("/v1/models/iris")
        child.resume()
        assert (hanging.status_code, hanging.json()) == (503, {"name": "iris", "ready": False})
        assert client.get("/v1/models/iris").status_code == 200


def test_requests_lead_nowhere_but_to_the_model_server() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "raw_path": b"http://elsewhere/x", "query_string": b"", "headers": []}
    asyncio.run(Proxy("http://127.0.0.1:1")(scope, receive=ended, send=send))
    assert sent[0]["status"] == 400


async def ended() -> dict[str, Any]:
    return {"type": "http.disconnect"}


def test_the_configuration_may_name_files_beside_it(start_vllm: StartVllm) -> None:
    start_vllm("chat-template: template.jinja").until_ready()


WRONG = {
    "an option that there is none of": ({"config": "nonsense: 1"}, Cause.CRASHED, "unrecognized arguments: --nonsense"),
    "a file that is not there": ({"config": "chat-template: no.jinja"}, Cause.CRASHED, "ValueError: The supplied chat"),
    "memory": ({"words": {"memory": "too much"}}, Cause.OUT_OF_MEMORY, "RuntimeError: CUDA out of memory"),
    "what it is asked": (
        {"smoke_requests": [{"data": {"prompt": "x", "model": "another"}}]},
        Cause.PREDICT_ERROR,
        "Smoke request 1 was refused: vLLM answered 404: The model `another` does not exist.",
    ),
    "another answer": (
        {"smoke_requests": [{"inputs": "ships", "expect": "No"}]},
        Cause.WRONG_ANSWER,
        "expected 'No', got 'Aye, ships'",
    ),
    "no answer in time": (
        {"words": {"think_s": "5"}, "smoke_requests": [{"inputs": "ships"}], "smoke_timeout_s": 0.3},
        Cause.PREDICT_ERROR,
        "vLLM did not answer smoke request 1 within 0.3 s.",
    ),
    "an end in the proof": ({"smoke_requests": [{"inputs": "die"}]}, Cause.CRASHED, "vLLM ended with exit code 7"),
}


@pytest.mark.parametrize(("given", "cause", "told"), WRONG.values(), ids=WRONG.keys())
def test_what_goes_wrong_is_told_and_nothing_is_left(
    start_vllm: StartVllm, given: dict[str, Any], cause: Cause, told: str
) -> None:
    runtime = start_vllm(**given)
    seen: list[psutil.Process] = []

    def ended() -> bool:
        if runtime.process.poll() is not None:
            return True
        seen.extend(children(runtime))
        return False

    wait_until(ended)
    failure = failure_of(runtime)
    assert failure.cause is cause
    assert told in failure.message
    assert not [each for each in seen if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_without_the_program_it_is_said_which_is_missing(start_runtime: StartRuntime) -> None:
    runtime = start_runtime(None, variables={"PATH": "/usr/bin:/bin"}, **TENSORFLOW)
    failure = failure_of(runtime)
    assert failure.cause is Cause.ENVIRONMENT_BROKEN
    assert "no program 'tensorflow_model_server' to start TensorFlow Serving with" in failure.message


def test_one_that_ends_takes_the_server_with_it(start_vllm: StartVllm) -> None:
    runtime = start_vllm()
    runtime.until_ready()
    with pytest.raises(httpx.HTTPError):
        post(runtime, "/v1/completions", prompt="die").raise_for_status()
    assert runtime.ended() == 1
    assert "vLLM ended with exit code 7" in runtime.log()
    assert runtime.report().stage is Stage.READY


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_what_is_asked_and_leaves_nothing(start_vllm: StartVllm, signum: signal.Signals) -> None:
    runtime = start_vllm()
    runtime.until_ready()
    (child,) = children(runtime)
    asked = {"model": "iris", "prompt": "x", "stream": True, "max_tokens": 40}
    with runtime.client() as client, client.stream("POST", "/v1/completions", json=asked) as answer:
        lines = answer.iter_lines()
        next(lines)
        runtime.process.send_signal(signum)
        assert [line for line in lines if line][-1] == "data: [DONE]"
    assert runtime.ended() == 0
    assert not child.is_running()


def test_a_stop_while_it_loads_leaves_nothing(start_vllm: StartVllm) -> None:
    runtime = start_vllm("load-s: 30")
    wait_until(lambda: "loading with" in runtime.log())
    (child,) = children(runtime)
    runtime.process.send_signal(signal.SIGTERM)
    assert runtime.ended() == 128 + signal.SIGTERM
    assert not child.is_running()


@pytest.mark.parametrize("folder", ["", "1/", "export/"])
def test_tensorflow_serving_answers_by_rows_and_by_columns(start_runtime: StartRuntime, folder: str) -> None:
    requests = [{"inputs": [[1, 2]], "expect": [[2, 4]]}, {"data": {"inputs": [[3]]}, "expect": [[6]]}]
    runtime = start_tensorflow(start_runtime, folder=folder, smoke_requests=requests)
    runtime.until_ready()
    assert runtime.ask([[5, 6]]).json() == {"predictions": [[10, 12]]}
    with runtime.client() as client:
        by_columns = client.post("/v1/models/iris:predict", json={"inputs": [[5]]})
        refused = client.post("/v1/models/iris:predict", json={"instances": [[{}]]})
    assert by_columns.json() == {"outputs": [[10]]}
    assert (refused.status_code, "Failed to process element" in refused.json()["error"]) == (400, True)
    assert by_columns.headers["moorage-revision"] == "3"


def test_tensorflow_serving_stands_behind_our_batcher(start_runtime: StartRuntime) -> None:
    runtime = start_tensorflow(start_runtime, inference_batcher={"enabled": True, "max_latency_ms": 1})
    runtime.until_ready()
    assert runtime.ask([[5], [6]]).json()["predictions"] == [[10], [12]]
    with runtime.client() as client:
        by_columns = client.post("/v1/models/iris:predict", json={"inputs": [[5]]})
    assert by_columns.json() == {"outputs": [[10]]}


def test_a_saved_model_that_cannot_be_read_is_told(start_runtime: StartRuntime) -> None:
    failure = failure_of(start_tensorflow(start_runtime, factor="no number"))
    assert failure.cause is Cause.CRASHED
    assert "TensorFlow Serving ended with exit code 1: Failed to start server." in failure.message
    assert any("Can't parse" in line for line in failure.traceback)
