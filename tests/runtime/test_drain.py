from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from moorage.runtime.drain import DrainingServer

Script = Callable[[DrainingServer, int], Awaitable[Any]]


async def answer_ok(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextlib.asynccontextmanager
async def connection(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(2) == b"ok"
    return head.decode().lower()


def while_serving(listener: socket.socket, script: Script, *, drain_s: float, app: Any = answer_ok) -> Any:
    """What the script returns; the server shares the listener, and has left when this returns."""

    async def serve() -> Any:
        listening = asyncio.Event()
        server = DrainingServer(app, headers={"a": "b"}, on_listening=listening.set, drain_s=drain_s)
        serving = asyncio.create_task(server.serve(sockets=[listener.dup()]))
        await listening.wait()
        result = await script(server, listener.getsockname()[1])
        await serving
        return result

    return asyncio.run(serve())


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_every_answer_bears_the_headers(listener):
    async def script(server: DrainingServer, port: int) -> str:
        async with connection(port) as (reader, writer):
            head = await ask(reader, writer)
        server.handle_exit(signal.SIGTERM, None)
        return head

    head = while_serving(listener, script, drain_s=5)
    assert "a: b" in head
    assert "connection: close" not in head


def test_an_idle_connection_is_answered_once_more_and_told_to_close(listener):
    async def script(server: DrainingServer, port: int) -> tuple[str, bytes]:
        async with connection(port) as (reader, writer):
            await ask(reader, writer)
            server.handle_exit(signal.SIGTERM, None)
            while server.servers[0].is_serving():
                await asyncio.sleep(0)
            head = await ask(reader, writer)
            return head, await reader.read()

    head, rest = while_serving(listener, script, drain_s=5)
    assert "connection: close" in head
    assert rest == b""


def test_a_connection_that_stays_idle_ends_with_the_drain(listener):
    async def script(server: DrainingServer, port: int) -> bytes:
        async with connection(port) as (reader, writer):
            await ask(reader, writer)
            server.handle_exit(signal.SIGTERM, None)
            return await asyncio.wait_for(reader.read(), 5)

    assert while_serving(listener, script, drain_s=0.2) == b""


def test_the_end_of_the_service_closes_idle_connections_at_once(listener):
    async def script(server: DrainingServer, port: int) -> bytes:
        async with connection(port) as (reader, writer):
            await ask(reader, writer)
            server.handle_exit(signal.SIGINT, None)
            return await asyncio.wait_for(reader.read(), 5)

    assert while_serving(listener, script, drain_s=60) == b""


def test_the_end_of_the_service_answers_what_was_asked(listener):
    asked, stopped = asyncio.Event(), asyncio.Event()

    async def answer_after_the_stop(scope: Any, receive: Any, send: Any) -> None:
        asked.set()
        await stopped.wait()
        await answer_ok(scope, receive, send)

    async def script(server: DrainingServer, port: int) -> str:
        async with connection(port) as (reader, writer):
            answer = asyncio.create_task(ask(reader, writer))
            await asked.wait()
            server.handle_exit(signal.SIGINT, None)
            while server.servers[0].is_serving():
                await asyncio.sleep(0)
            stopped.set()
            return await answer

    assert "200 ok" in while_serving(listener, script, drain_s=60, app=answer_after_the_stop)


def test_the_shared_socket_accepts_for_the_next_process(listener):
    async def script(server: DrainingServer, port: int) -> None:
        server.handle_exit(signal.SIGTERM, None)

    while_serving(listener, script, drain_s=5)
    listener.setblocking(True)
    listener.settimeout(5)
    with socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            accepted.sendall(b"next")
            assert client.recv(4) == b"next"


def test_a_second_interrupt_cuts_the_drain_short(listener):
    async def script(server: DrainingServer, port: int) -> None:
        async with connection(port) as (reader, writer):
            await ask(reader, writer)
            server.handle_exit(signal.SIGINT, None)
            server.handle_exit(signal.SIGINT, None)
            await asyncio.wait_for(reader.read(), 5)

    while_serving(listener, script, drain_s=60)
