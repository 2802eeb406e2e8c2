"""A far-away server, made of a near one: a TCP proxy that holds back each answer for some milliseconds.

It knows nothing of HTTP. What comes from the server after something went to it is an answer: its first byte, and what
follows within that time, is passed on so much later. An interim answer (`100 Continue`) is one too, as on a real line.
Opening a connection costs nothing more, and bytes flow as fast as they do without it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

# Handed over in larger pieces there is less to do for each byte.
_HIGH_WATER = 4 << 20


@contextmanager
def slowed(endpoint_url: str, delay_ms: float) -> Iterator[str]:
    """The URL of the same server with `delay_ms` added to each answer; a process of its own does it."""
    command = [sys.executable, __file__, str(urlsplit(endpoint_url).port), str(delay_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        yield f"http://127.0.0.1:{int(proxy.stdout.readline())}"
        # It ends with its input, whatever becomes of us.
        proxy.communicate()


class _Client(asyncio.Protocol):
    """The connection of a client, and what of its answers is held back."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._port = port
        self._delay_s = delay_s
        self._server: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self._is_asked = False
        self._held: list[bytes] | None = None
        self._has_ended = False

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.Transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._server, _ = await loop.create_connection(lambda: _Server(self), "127.0.0.1", self._port)
        except OSError:
            self.transport.close()
            return
        self._server.set_write_buffer_limits(high=_HIGH_WATER)
        self._server.writelines(self._early)
        if self._has_ended:
            self._server.close()

    def data_received(self, data: bytes) -> None:
        self._is_asked = True
        if self._server is None:
            self._early.append(data)
        else:
            self._server.write(data)

    def answered(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
        elif self._is_asked:
            self._is_asked = False
            self._held = [data]
            asyncio.get_running_loop().call_later(self._delay_s, self._let_go)
        else:
            self.transport.write(data)

    def _let_go(self) -> None:
        held, self._held = self._held or [], None
        self.transport.writelines(held)
        if self._has_ended:
            self.transport.close()

    def server_ended(self) -> None:
        self._has_ended = True
        if self._held is None:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_ended = True
        if self._server is not None:
            self._server.close()

    def pause_writing(self) -> None:
        if self._server is not None:
            self._server.pause_reading()

    def resume_writing(self) -> None:
        if self._server is not None:
            self._server.resume_reading()


class _Server(asyncio.Protocol):
    """The connection to the server that belongs to one client's."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.server_ended()

    def pause_writing(self) -> None:
        self._client.transport.pause_reading()

    def resume_writing(self) -> None:
        self._client.transport.resume_reading()


async def _serve(port: int, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(port, delay_s), "127.0.0.1", backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
