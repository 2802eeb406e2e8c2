"""What is told of a model server that ended; that it is started and ended is tested in `test_others.py`."""

import pytest

from moorage.runtime.child import telling_line
from moorage.runtime.commands import saved_model_folder, tensorflow_serving, vllm

TELLING = {
    "its first exception": (
        [
            "INFO loading",
            "(EngineCore pid=7) ERROR 11-27 [core.py:1100] ValueError: no room for it",
            "RuntimeError: Engine core initialization failed. See root cause above.",
        ],
        "ValueError: no room for it",
    ),
    "an exception of a module": (
        ["torch.OutOfMemoryError: CUDA out of memory."],
        "torch.OutOfMemoryError: CUDA out of memory.",
    ),
    "what pydantic finds": (
        ["pydantic_core.ValidationError: 1 validation error for ModelConfig", "  Value error, too long [type=x, y]"],
        "pydantic_core.ValidationError: 1 validation error for ModelConfig: Value error, too long",
    ),
    "its last line": (
        ["usage: vllm", "vllm: error: unrecognized arguments: --x"],
        "vllm: error: unrecognized arguments: --x",
    ),
    "nothing": ([], ""),
}


@pytest.mark.parametrize(("lines", "told"), TELLING.values(), ids=TELLING.keys())
def test_the_line_that_says_best_why_it_ended(lines, told):
    assert telling_line(lines) == told


SAVED = {
    "at the top": (["saved_model.pb", "variables/x", "assets/deep/a.pb"], "."),
    "in a version": (["1/saved_model.pb", "1/variables/x"], "1"),
    "below another": (["labels.pb", "export/saved_model.pb", "export/variables/x"], "export"),
    "nowhere": (["weights.h5"], "."),
}


@pytest.mark.parametrize(("files", "folder"), SAVED.values(), ids=SAVED.keys())
def test_where_a_saved_model_lies(files, folder):
    assert saved_model_folder(files) == folder


def test_the_command_lines():
    started = vllm("roses", model_files="/m", config_file="/a/c.yaml", port=7)
    assert " ".join(started.argv) == (
        "vllm serve /m --config /a/c.yaml --served-model-name roses --host 127.0.0.1 --port 7"
    )
    started = tensorflow_serving("iris", base="/b", port=7)
    assert " ".join(started.argv) == (
        "tensorflow_model_server --model_name=iris --model_base_path=/b --rest_api_port=7 --port=0"
    )


STATES = {"AVAILABLE": True, "LOADING": False, "END": False}


@pytest.mark.parametrize(("state", "ready"), STATES.items())
def test_tensorflow_serving_is_ready_once_its_version_is_available(state, ready):
    status = {"model_version_status": [{"version": "1", "state": state}]}
    assert tensorflow_serving("iris", base="/b", port=7).is_ready(status) is ready
    assert not tensorflow_serving("iris", base="/b", port=7).is_ready({})
