"""vLLM itself behind our edge, with a language model of random weights: by its command, and by a predictor script.

TESTS_VLLM names a Python that has it; `tests/runtime/vllm/install FOLDER` makes one.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.conftest import Runtime, StartRuntime
from tests.runtime.test_others import LLM, failure_of, post

PYTHON = os.environ.get("TESTS_VLLM", "")
pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="TESTS_VLLM names no Python with vLLM"),
    pytest.mark.timeout(600),
]

LOAD_S = 300
# so small that a machine without a GPU, and with a few GB, can hold it
CONFIG = """
    enforce-eager: true
    max-model-len: 256
    max-num-seqs: 4
"""
VARIABLES = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "PYTHONPATH": str(Path(__file__).parents[2]),
}
SCRIPT = """
    import os

    import yaml
    from vllm import AsyncEngineArgs, AsyncLLMEngine


    class Predictor:
        def __init__(self):
            with open(os.environ["CONFIG_FILE_PATH"]) as file:
                options = yaml.safe_load(file)
            arguments = AsyncEngineArgs(model=os.environ["MODEL_FILES_PATH"], **options)
            self.vllm_engine = AsyncLLMEngine.from_engine_args(arguments)
"""
TEMPLATE = """

        def apply_chat_template(self, messages, chat_template=None, tools=None):
            return "ships: " + messages[-1]["content"]
"""
COMPLETION = """

        async def create_completion(self, request):
            def said(text, reason=None):
                choice = {"index": 0, "text": text, "finish_reason": reason}
                return {"id": "1", "model": request.model, "created": 1, "choices": [choice], "usage": {}}

            async def words():
                for word in request.prompt.split():
                    yield said(word)
                yield said("", "stop")

            return words() if request.stream else said(request.prompt.upper(), "stop")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    subprocess.run([PYTHON, str(Path(__file__).parent / "vllm" / "tiny_llm.py"), str(folder)], check=True, timeout=200)
    return folder


@pytest.fixture
def start_vllm(start_runtime: StartRuntime, model: Path) -> Callable[..., Runtime]:
    def start(source: str | None = None, config: str = CONFIG, **more: Any) -> Runtime:
        artifact = LLM["artifact"].model_copy(update={"script_file": None if source is None else "predictor.py"})
        return start_runtime(
            source,
            python=PYTHON,
            files={"vllm.yaml": config},
            model_files=model,
            variables=VARIABLES,
            **LLM | {"artifact": artifact} | more,
        )

    return start


def texts_of(answer: Any) -> list[str]:
    """What the events of a stream say, one after another."""
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert events[-1] == "[DONE]"
    choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
    return [choice["text"] if "text" in choice else choice["delta"].get("content") or "" for choice in choices]


def test_it_is_started_by_its_command(start_vllm: Callable[..., Runtime]) -> None:
    asked = {"prompt": "Ships lie at", "max_tokens": 8, "temperature": 0, "ignore_eos": True}
    chat = [{"role": "user", "content": "Hello"}]
    runtime = start_vllm(smoke_requests=[{"data": asked}, {"inputs": chat}])
    runtime.until_ready(LOAD_S)
    answer = post(runtime, "/v1/completions", **asked)
    said = answer.json()
    assert said["usage"]["completion_tokens"] == 8
    assert answer.headers["moorage-revision"] == "3"
    streamed = post(runtime, "/v1/completions", **asked, stream=True)
    assert "".join(texts_of(streamed)) == said["choices"][0]["text"]
    answered = post(runtime, "/v1/chat/completions", messages=chat, max_tokens=3).json()
    assert answered["choices"][0]["message"]["role"] == "assistant"
    runtime.process.terminate()
    assert runtime.ended() == 0


def test_what_it_cannot_read_is_told_in_its_own_words(start_vllm: Callable[..., Runtime]) -> None:
    runtime = start_vllm(config="max-model-length: 256")
    runtime.process.wait(LOAD_S)
    assert "unrecognized arguments: --max-model-length" in failure_of(runtime).message
    runtime = start_vllm(config=CONFIG + "    max-num-batched-tokens: 2\n")
    runtime.process.wait(LOAD_S)
    assert "max_num_batched_tokens" in failure_of(runtime).message


def test_a_script_has_the_engine(start_vllm: Callable[..., Runtime]) -> None:
    config = CONFIG.replace("-", "_")
    runtime = start_vllm(SCRIPT + TEMPLATE, config, smoke_requests=[{"inputs": "Ships"}])
    runtime.until_ready(LOAD_S)
    brief = {"max_tokens": 6, "temperature": 0, "ignore_eos": True}
    chat = {"messages": [{"role": "user", "content": "at sea"}], **brief}
    by_chat = post(runtime, "/v1/chat/completions", **chat).json()["choices"][0]["message"]["content"]
    of_prompt = {"prompt": "ships: at sea", "add_special_tokens": False, **brief}
    assert by_chat == post(runtime, "/v1/completions", **of_prompt).json()["choices"][0]["text"]
    assert "".join(texts_of(post(runtime, "/v1/chat/completions", **chat, stream=True))) == by_chat
    with runtime.client() as client:
        assert client.get("/v1/models/iris").json() == {"name": "iris", "ready": True}
    assert post(runtime, "/v1/responses", input="at sea").status_code >= 400
    runtime.process.terminate()
    assert runtime.ended() == 0


def test_a_script_may_complete_by_itself(start_vllm: Callable[..., Runtime]) -> None:
    config = CONFIG.replace("-", "_")
    requests = [{"inputs": "aye", "expect": "AYE"}]
    runtime = start_vllm(SCRIPT + COMPLETION, config, smoke_requests=requests)
    runtime.until_ready(LOAD_S)
    assert texts_of(post(runtime, "/v1/completions", prompt="two ships", stream=True)) == ["two", "ships", ""]
    chat = {"messages": [{"role": "user", "content": "at sea"}]}
    message = post(runtime, "/v1/chat/completions", **chat).json()["choices"][0]["message"]
    assert message["content"] == "USER: AT SEA\nASSISTANT: "
    streamed = post(runtime, "/v1/chat/completions", **chat, stream=True)
    assert texts_of(streamed) == ["user:", "at", "sea", "assistant:", ""]
    runtime.process.terminate()
    assert runtime.ended() == 0
