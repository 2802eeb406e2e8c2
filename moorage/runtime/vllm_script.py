"""vLLM's own server around the engine of a user's script. It alone imports vllm.

Where a server is made is not the same in every version of vLLM's; this is as of 0.32.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import httpx

from moorage.errors import CallerError, ServerEnded
from moorage.inference.openai import path_of
from moorage.runtime.ready import Ready
from moorage.runtime.remote import Remote
from moorage.runtime.script_class import ScriptClass
from moorage.script import VLLM_PREDICTOR
from moorage.startup import Cause

_log = logging.getLogger(__name__)

# The prompt that a script makes of a chat reaches vLLM as a variable of a chat template that says nothing else.
_PROMPT: Final = "moorage_prompt"
_DONE: Final = "data: [DONE]\n\n"


class ScriptedEngine:
    """The engine that a predictor script has, behind vLLM's routes; the script's own methods stand before them.

    Args:
        scripted: the script's class, with an engine.
        deployment: under which name the model is asked.
        on_end: called when a request finds the engine dead.
    """

    def __init__(
        self, scripted: ScriptClass, deployment: str, on_end: Callable[[ServerEnded], object] = lambda _: None
    ) -> None:
        self._scripted = scripted
        self._on_end = on_end
        self._deployment = deployment
        self._engine = getattr(scripted.instance, VLLM_PREDICTOR.attribute)
        self._app: Any = None
        self._asked: Remote | None = None

    @property
    def class_name(self) -> str:
        return self._scripted.class_name

    @property
    def file(self) -> str:
        return self._scripted.file

    async def app(self) -> Any:
        """The ASGI app; made once, on the event loop that it will run on."""
        if self._app is None:
            self._app = await self._made()
        return self._app

    async def answer(self, body: Any) -> dict[str, Any]:
        """What the app answers; raises as `Remote.answer` does."""
        if self._asked is None:
            transport = httpx.ASGITransport(app=await self.app())
            self._asked = Remote("http://localhost", path_of, self.class_name, transport)
        return await self._asked.answer(body)

    def close(self) -> None:
        """Ends the engine, with its processes."""
        self._engine.shutdown()

    async def _made(self) -> Any:
        from vllm.entrypoints.launchers.api_server.app_state import init_app_state
        from vllm.entrypoints.launchers.app import build_app
        from vllm.entrypoints.launchers.cli_args import make_arg_parser
        from vllm.utils.argparse_utils import FlexibleArgumentParser

        engine = self._engine
        options = ["--model", str(engine.model_config.model), "--served-model-name", self._deployment]
        if self._scripted.has("apply_chat_template"):
            options += ["--chat-template", f"{{{{ {_PROMPT} }}}}"]
        args = make_arg_parser(FlexibleArgumentParser()).parse_args(options)
        tasks = await engine.get_supported_tasks()
        app = build_app(args, tasks, engine.model_config)
        await init_app_state(engine, app.state, args, tasks)
        app.state.server = _EngineWatch(self._on_end)
        self._stand_before(app.state)
        return Ready(app, self._deployment, self._is_well)

    async def _is_well(self) -> bool:
        try:
            await self._engine.check_health()
        except Exception:  # noqa: BLE001 - whatever it is, it cannot answer
            return False
        return True

    def _stand_before(self, state: Any) -> None:
        completes = self._scripted.has("create_completion")
        if completes:
            state.openai_serving_completion = _Completions(state.openai_serving_completion, self._scripted)
        if completes or self._scripted.has("apply_chat_template"):
            state.openai_serving_chat = _Chats(state.openai_serving_chat, self._scripted, self._engine)
            # other ways to the same engine, which would pass by the script: vLLM answers that they are not supported
            for other in ("openai_serving_responses", "openai_serving_chat_batch", "anthropic_serving_messages"):
                setattr(state, other, None)


class _EngineWatch:
    """Stands for the server that vLLM tells to leave when its engine has died."""

    def __init__(self, on_end: Callable[[ServerEnded], object]) -> None:
        self._on_end = on_end

    @property
    def should_exit(self) -> bool:
        return False

    @should_exit.setter
    def should_exit(self, _: bool) -> None:
        what, mend = "The engine of the predictor script has died.", "Read its log: `moorage deployment logs`."
        self._on_end(ServerEnded(what, "", mend, cause=Cause.CRASHED))


class _Before:
    """Stands before one of vLLM's handlers, and is it but for what it says otherwise."""

    def __init__(self, handler: Any, scripted: ScriptClass) -> None:
        self._handler = handler
        self._scripted = scripted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    async def _completed(self, request: Any) -> Any:
        return await self._scripted.call("create_completion", request, _streamed_or_plain)


class _Completions(_Before):
    async def create_completion(self, request: Any, _raw_request: Any = None) -> Any:
        from vllm.entrypoints.openai.completion.protocol import CompletionResponse

        completion = await self._completed(request)
        if isinstance(completion, AsyncIterator):
            return _events(completion, dict)
        return CompletionResponse.model_validate(completion)


class _Chats(_Before):
    def __init__(self, handler: Any, scripted: ScriptClass, engine: Any) -> None:
        super().__init__(handler, scripted)
        self._engine = engine

    async def create_chat_completion(self, request: Any, raw_request: Any = None) -> Any:
        prompt = await self._prompt_of(request)
        if not self._scripted.has("create_completion"):
            request.chat_template_kwargs = {**(request.chat_template_kwargs or {}), _PROMPT: prompt}
            return await self._handler.create_chat_completion(request, raw_request)
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionResponse

        completion = await self._completed(_completion_request(request, prompt))
        if isinstance(completion, AsyncIterator):
            return _events(completion, _chat_chunk)
        return ChatCompletionResponse.model_validate(_chat(completion))

    async def _prompt_of(self, request: Any) -> str:
        plain = request.model_dump(mode="json")
        messages, given = plain["messages"], {"tools": plain.get("tools")}
        if self._scripted.has("apply_chat_template"):
            given["chat_template"] = plain.get("chat_template")
            return await self._scripted.call("apply_chat_template", messages, _text_of, **given)
        tokenizer = self._engine.get_tokenizer()
        if inspect.isawaitable(tokenizer):
            tokenizer = await tokenizer
        return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False, **given))


def _completion_request(chat: Any, prompt: str) -> Any:
    """What a chat asks, as a completion of its prompt; what only chats have is left out."""
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest

    # of this name are different things
    shared = (CompletionRequest.model_fields.keys() & chat.model_fields_set) - {"logprobs"}
    # None: as many as there is room for; a completion without a word of it has 16
    plain = chat.model_dump(include=shared) | {"max_tokens": chat.max_completion_tokens or chat.max_tokens}
    return CompletionRequest(**{**plain, "prompt": prompt, "add_special_tokens": False})


def _text_of(prompt: Any) -> str:
    """The text of a prompt, or of KServe's `ChatPrompt`."""
    text = getattr(prompt, "prompt", prompt)
    if not isinstance(text, str):
        raise CallerError(
            f"apply_chat_template returned {type(prompt).__name__}, which is no prompt.",
            "Expected a text, or an object whose `prompt` is one.",
            "Return one.",
        )
    return text


async def _events(completions: AsyncIterator[Any], shape: Any) -> AsyncIterator[str]:
    """A stream of completions as server-sent events."""
    try:
        async for each in completions:
            yield f"data: {json.dumps(shape(_plain(each)))}\n\n"
    except Exception as exc:  # noqa: BLE001 - the user's own iterator
        # its status is sent already: an event says what a status would have
        _log.exception("create_completion failed while it streamed")
        yield f"data: {json.dumps({'error': {'message': f'{type(exc).__name__}: {exc}'}})}\n\n"
    yield _DONE


def _streamed_or_plain(result: Any) -> Any:
    return result if isinstance(result, AsyncIterator) else _plain(result)


def _plain(completion: Any) -> dict[str, Any]:
    if isinstance(completion, Mapping):
        return dict(completion)
    if hasattr(completion, "model_dump"):
        plain: dict[str, Any] = completion.model_dump(mode="json")
        return plain
    raise CallerError(
        f"create_completion returned {type(completion).__name__}, which is no completion.",
        "Expected one of OpenAI's API, as an object of vLLM's or as a dict.",
        "Return one, or an asynchronous iterator of such.",
    )


def _chat(completion: dict[str, Any]) -> dict[str, Any]:
    choices = [
        {**_ended(each), "message": {"role": "assistant", "content": each["text"]}} for each in completion["choices"]
    ]
    return {**completion, "object": "chat.completion", "choices": choices}


def _chat_chunk(completion: dict[str, Any]) -> dict[str, Any]:
    choices = [
        {**_ended(each), "delta": {"role": "assistant", "content": each["text"]}} for each in completion["choices"]
    ]
    return {**completion, "object": "chat.completion.chunk", "choices": choices}


def _ended(choice: Mapping[str, Any]) -> dict[str, Any]:
    return {"index": choice.get("index", 0), "finish_reason": choice.get("finish_reason")}
