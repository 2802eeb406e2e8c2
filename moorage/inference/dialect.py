"""How each model server is asked, and where its answers say what they say (pure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from moorage.inference import openai, protocol
from moorage.predictor import ModelServer


@dataclass(frozen=True)
class Dialect:
    """What a model server speaks.

    Attributes:
        spoken: its name, for people.
        body: of a request, given the deployment's name, and inputs or data; raises CallerError for what makes none.
        path: where such a body is posted, given the deployment's name.
        usual_path: where most are, given the name: what people are shown.
        said: what an answer's body says, to be compared; raises CallerError where it is none.
        shape: of an answer, for people.
    """

    spoken: str
    body: Callable[[str, Any, Any], dict[str, Any]]
    path: Callable[[str, Any], str]
    usual_path: Callable[[str], str]
    said: Callable[[Any], Any]
    shape: str


V1: Final = Dialect(
    "V1",
    body=lambda _name, inputs, data: protocol.request_body(inputs=inputs, data=data),
    path=lambda name, _body: protocol.predict_path(name),
    usual_path=protocol.predict_path,
    said=protocol.predictions_of,
    shape='{"predictions": …}',
)
OPENAI: Final = Dialect(
    "OpenAI",
    body=lambda name, inputs, data: openai.request_body(name=name, inputs=inputs, data=data),
    path=lambda _name, body: openai.path_of(body),
    usual_path=lambda _name: openai.CHAT_PATH,
    said=openai.said_in,
    shape='{"choices": …}',
)


def dialect_of(server: ModelServer) -> Dialect:
    """What that model server speaks: TensorFlow Serving V1, as ours does, and vLLM OpenAI's API."""
    return OPENAI if server is ModelServer.VLLM else V1
