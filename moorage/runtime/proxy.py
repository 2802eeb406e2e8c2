"""An edge before a model server that is not ours: requests pass through as they are, streams too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

from moorage.runtime.ready import Receive, Scope, Send, answer_json

_CONNECT_S: Final = 10
# Less than a probe of a kubelet's waits.
_WELL_S: Final = 4
# Of one connection, not of the way through: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
_OF_ONE_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
# Our own server dates its answers, and does not tell what it is.
_OURS: Final = frozenset({b"date", b"server"})
_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})


class Proxy:
    """An ASGI app.

    Args:
        url: where the model server is asked.
    """

    def __init__(self, url: str) -> None:
        # a model may take its time; whoever asks decides how long they wait
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        self._url = httpx.URL(url)
        self._http = httpx.AsyncClient(
            # only what callers accept is sent to them, and no cookie of one goes to another
            headers={"Accept-Encoding": "identity"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(None, connect=_CONNECT_S),
            limits=limits,
            trust_env=False,
        )

    async def is_well(self, path: str) -> bool:
        """Whether the model server answers at a path of its own, without an error and soon."""
        try:
            answer = await self._http.get(self._url.join(path), timeout=_WELL_S)
        except httpx.HTTPError:
            return False
        return answer.is_success

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if not scope["raw_path"].startswith(b"/"):
            # a whole URL, which would lead elsewhere
            await answer_json(send, HTTPStatus.BAD_REQUEST, {"error": "A path was expected."})
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

    async def _pass(self, scope: Scope, body: _Body, send: Send) -> None:
        query = scope["query_string"]
        url = self._url.copy_with(raw_path=scope["raw_path"] + (b"?" + query if query else b""))
        headers = _of_all_hops(scope["headers"])
        has_body = any(name.lower() in _BODY for name, _ in scope["headers"])
        content = body.chunks() if has_body else None
        request = self._http.build_request(scope["method"], url, headers=headers, content=content)
        if not has_body:
            body.is_read.set()
        try:
            answer = await self._http.send(request, stream=True)
        except httpx.HTTPError as exc:
            said = {"error": f"The model server did not answer: {type(exc).__name__}."}
            await answer_json(send, HTTPStatus.BAD_GATEWAY, said)
            return
        await _pass_on(answer, send)


class _Body:
    """The body of a request, and whether whoever sent it still waits."""

    def __init__(self, receive: Receive) -> None:
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


async def _pass_on(answer: httpx.Response, send: Send) -> None:
    headers = [each for each in _of_all_hops(answer.headers.raw) if each[0].lower() not in _OURS]
    try:
        await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
        async for chunk in answer.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await answer.aclose()


def _of_all_hops(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Without those of one connection, be they known or named by it."""
    given = list(headers)
    named = {
        each.strip().lower() for name, value in given if name.lower() == b"connection" for each in value.split(b",")
    }
    return [each for each in given if each[0].lower() not in _OF_ONE_HOP | named]
