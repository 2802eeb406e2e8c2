"""Says of an ASGI app whether its deployment is ready, where model servers that are not ours do not."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from moorage.inference.protocol import model_path

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Ready:
    """An app that says at the path of the deployment whether it is ready, as our own server does.

    Args:
        app: what answers all else.
        name: of the model deployment.
        is_well: whether what stands behind the app still answers.
    """

    def __init__(self, app: Any, name: str, is_well: Callable[[], Awaitable[bool]]) -> None:
        self._app = app
        self._path = model_path(name)
        self._name = name
        self._is_well = is_well

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        ready = await self._is_well()
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        await answer_json(send, status, {"name": self._name, "ready": ready})


async def answer_json(send: Send, status: HTTPStatus, said: Any) -> None:
    """Answers a request with a value as JSON."""
    body = json.dumps(said).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
