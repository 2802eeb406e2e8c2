"""How model servers that are not ours are started (pure): their command lines, and how they say that they are ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

from moorage.inference.protocol import model_path

# Nothing of a model is got from elsewhere behind the registry's back, and nobody is told what is run here.
_QUIETLY: Final = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class ServerCommand:
    """A command line of one.

    Attributes:
        name: of the program, for people.
        argv: its first word is looked for in the environment of the model server, then on PATH.
        ready_path: what is asked until it answers.
        is_ready: whether an answer without an error says so.
        environ: variables where there are none of that name.
    """

    name: str
    argv: tuple[str, ...]
    ready_path: str
    is_ready: Callable[[Any], bool] = lambda _: True
    environ: Mapping[str, str] = field(default_factory=dict)


def vllm(deployment: str, *, model_files: str, config_file: str | None, port: int) -> ServerCommand:
    """The OpenAI-compatible server of vLLM: https://docs.vllm.ai/en/latest/cli/serve/."""
    config = () if config_file is None else ("--config", config_file)
    # after the file's options, which they win against
    ours = ("--served-model-name", deployment, "--host", _LOOPBACK, "--port", str(port))
    return ServerCommand("vLLM", ("vllm", "serve", model_files, *config, *ours), "/health", environ=_QUIETLY)


def tensorflow_serving(deployment: str, *, base: str, port: int) -> ServerCommand:
    """TensorFlow Serving, by REST: https://www.tensorflow.org/tfx/serving/api_rest.

    Args:
        base: a folder whose folder `1` holds the saved model.
    """
    options = {"model_name": deployment, "model_base_path": base, "rest_api_port": port, "port": 0}
    # https://github.com/tensorflow/serving/blob/2.19.1/tensorflow_serving/model_servers/main.cc
    argv = ("tensorflow_model_server", *(f"--{name}={value}" for name, value in options.items()))
    return ServerCommand("TensorFlow Serving", argv, model_path(deployment), is_ready=_is_available)


def saved_model_folder(model_files: Iterable[str]) -> str:
    """The folder of the saved model among a model's files, relative: that of the topmost `saved_model.pb`.

    Where none is called so, that of the topmost `.pb` file.
    """
    found = sorted(
        (path.name != "saved_model.pb", len(path.parts), str(path.parent))
        for path in map(PurePath, model_files)
        if path.suffix == ".pb"
    )
    return found[0][-1] if found else "."


def _is_available(answer: Any) -> bool:
    states = [each.get("state") for each in answer.get("model_version_status", ())]
    return "AVAILABLE" in states
