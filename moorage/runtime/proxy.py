"""An edge before a model server that is not ours: requests pass through as they are, streams too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import httpx

_CONNECT_S: Final = 10
# Of one connection, not of the way through: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
_OF_ONE_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"host"}
)
# Our own server dates its answers, and does not tell what it is.
_OURS: Final = frozenset({b"date", b"server"})
_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})

_Scope = dict[str, Any]
_Receive = Callable[[], Awaitable[dict[str, Any]]]
_Send = Callable[[dict[str, Any]], Awaitable[None]]


class Proxy:
    """An ASGI app.

    Args:
        url: where the model server is asked.
        ready_path: answered here: that the deployment is ready, which the model server itself need not know how to say.
        name: of the model deployment.
    """

    def __init__(self, url: str, *, ready_path: str, name: str) -> None:
        # a model may take its time; whoever asks decides how long they wait
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        timeout = httpx.Timeout(None, connect=_CONNECT_S)
        # only what callers accept is sent to them
        headers = {"Accept-Encoding": "identity"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout, limits=limits, trust_env=False)
        self._ready_path = ready_path
        self._ready = json.dumps({"name": name, "ready": True}).encode()

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "GET" and scope["path"] == self._ready_path:
            await _answer(send, HTTPStatus.OK, self._ready)
            return
        body = _Body(receive)
        passing = asyncio.create_task(self._pass(scope, body, send))
        leaving = asyncio.create_task(body.caller_left())
        try:
            # nothing goes on being generated for somebody who left
            await asyncio.wait((passing, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (passing, leaving):
                each.cancel()
            (failed, _) = await asyncio.gather(passing, leaving, return_exceptions=True)
        if isinstance(failed, Exception):
            raise failed

    async def _pass(self, scope: _Scope, body: _Body, send: _Send) -> None:
        query = scope["query_string"].decode("latin-1")
        target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        headers = [each for each in scope["headers"] if each[0].lower() not in _OF_ONE_HOP]
        has_body = any(name.lower() in _BODY for name, _ in scope["headers"])
        content = body.chunks() if has_body else None
        request = self._http.build_request(scope["method"], target, headers=headers, content=content)
        if not has_body:
            body.is_read.set()
        try:
            answer = await self._http.send(request, stream=True)
        except httpx.HTTPError as exc:
            said = {"error": f"The model server did not answer: {type(exc).__name__}."}
            await _answer(send, HTTPStatus.BAD_GATEWAY, json.dumps(said).encode())
            return
        await _pass_on(answer, send)

    async def close(self) -> None:
        """Closes its connections."""
        await self._http.aclose()


class _Body:
    """The body of a request, and whether whoever sent it still waits."""

    def __init__(self, receive: _Receive) -> None:
        self._receive = receive
        self.is_read = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise httpx.ReadError("the caller left")
            yield message.get("body", b"")
            more = message.get("more_body", False)
        self.is_read.set()

    async def caller_left(self) -> None:
        await self.is_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _pass_on(answer: httpx.Response, send: _Send) -> None:
    headers = [each for each in answer.headers.raw if each[0].lower() not in _OF_ONE_HOP | _OURS]
    try:
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        async for chunk in answer.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await answer.aclose()


async def _answer(send: _Send, status: HTTPStatus, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
