"""OpenAI's API, as vLLM speaks it: what a request's body holds, and what an answer says (pure).

https://platform.openai.com/docs/api-reference/completions, …/chat, …/embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from moorage.errors import CallerError

# Under which a model server has all of it.
BASE_PATH: Final = "/v1"
CHAT_PATH: Final = f"{BASE_PATH}/chat/completions"
COMPLETIONS_PATH: Final = f"{BASE_PATH}/completions"
# What a body is about says where it is posted.
_PATHS: Final = {
    "messages": CHAT_PATH,
    "prompt": COMPLETIONS_PATH,
    "input": f"{BASE_PATH}/embeddings",
}
# A question of ours is to be answered soon, and always alike.
_BRIEF: Final = {"max_tokens": 16, "temperature": 0}
# What any model that completes texts can be asked.
ANY_QUESTION: Final = {"prompt": "Hello", "max_tokens": 1}


def request_body(*, name: str, inputs: Any = None, data: Any = None) -> dict[str, Any]:
    """The body that asks a model for a completion; give exactly one of the two.

    Args:
        name: under which the model server knows its model.
        inputs: a text to complete, or the messages of a chat, each with `role` and `content`.
        data: a whole body with `messages`, `prompt` or `input`, sent as it is; `model` is filled in.

    Raises:
        CallerError: neither or both are given, the value is not of such a shape, or it asks for a stream.
    """
    if (inputs is None) == (data is None):
        raise CallerError(
            f"{'Neither inputs nor data' if inputs is None else 'Both inputs and data'} were given.",
            "Expected exactly one of them.",
            "Give a text as inputs, or a whole body as data={'prompt': '…'}.",
        )
    body = {"model": name, **(_body_around(inputs) if data is None else data)}
    path_of(body)
    if body.get("stream"):
        raise CallerError(
            "The data asks for a stream.", "Expected a request that is answered at once.", "Leave stream out."
        )
    return body


def path_of(body: Any) -> str:
    """Where a body is posted. Raises CallerError for one that says nothing to answer."""
    for key, path in _PATHS.items():
        if isinstance(body, Mapping) and body.get(key):
            return path
    keys = ", ".join(map(repr, body)) if isinstance(body, Mapping) else f"of type {type(body).__name__}"
    raise CallerError(
        f"The data cannot be sent as a body: it has none of 'messages', 'prompt' and 'input', but {keys or 'nothing'}.",
        "Expected one of them, not empty.",
        "Give data={'prompt': 'Ships lie at'}, or data={'messages': [{'role': 'user', 'content': 'Hello'}]}.",
    )


def said_in(answer: Any) -> Any:
    """What an answer says: the text of its one choice, or of each of several; the vectors of embeddings."""
    if isinstance(answer, Mapping):
        choices, data = answer.get("choices"), answer.get("data")
        if isinstance(choices, list) and choices:
            said = [_text_of(choice) for choice in choices]
            return said[0] if len(said) == 1 else said
        if isinstance(data, list):
            return [each.get("embedding") if isinstance(each, Mapping) else each for each in data]
    raise CallerError(
        "The answer has neither 'choices' nor 'data'.",
        "Expected one of OpenAI's API.",
        "Look at the deployment's logs: something other than its model server may have answered.",
    )


def _body_around(inputs: Any) -> dict[str, Any]:
    if isinstance(inputs, str) and inputs:
        return {"prompt": inputs, **_BRIEF}
    is_chat = isinstance(inputs, list | tuple) and all(
        isinstance(each, Mapping) and "role" in each and "content" in each for each in inputs
    )
    if is_chat and inputs:
        return {"messages": list(inputs), **_BRIEF}
    raise CallerError(
        f"The inputs cannot be sent: they are of type {type(inputs).__name__}.",
        "Expected a text, or messages with 'role' and 'content'; not empty.",
        "Give inputs='Ships lie at', or inputs=[{'role': 'user', 'content': 'Hello'}].",
    )


def _text_of(choice: Any) -> Any:
    message = choice.get("message") if isinstance(choice, Mapping) else None
    if isinstance(message, Mapping):
        return message.get("content")
    return choice.get("text") if isinstance(choice, Mapping) else choice
