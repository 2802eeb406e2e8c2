"""A server that leaves without a failed request: it stops accepting, answers what is left, and goes."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import socket
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, Final

import uvicorn

_log = logging.getLogger(__name__)

# As KServe's own server: longer than the 60 s after which the usual load balancers drop an idle connection.
_KEEP_ALIVE_S: Final = 65
# A connection that was accepted just before the listener closed needs a few turns of the loop to be counted.
_REGISTRATION_S: Final = 0.1
_POLL_S: Final = 0.02

_Scope = dict[str, Any]
_Message = dict[str, Any]
_App = Callable[..., Any]


class DrainingServer(uvicorn.Server):
    """Serves an ASGI app on a handed-over listening socket until SIGTERM or SIGINT, then drains.

    The socket is shared with the process that handed it over, so it is closed here and never shut down: what connects
    from then on waits for the next process that accepts.

    SIGTERM hands over to a successor: a keep-alive connection is not closed under its client, who may be sending just
    then; its next answer says `Connection: close`, and one that stays idle ends with the drain. SIGINT is the end of
    the service, nobody comes after: what is being answered is answered, idle connections close at once.

    Args:
        app: the ASGI app.
        headers: put on every answer.
        on_listening: called once the socket is accepted on.
        on_draining: called once it is not accepted on any more.
        drain_s: seconds until connections that are still open are closed, and answers cut.
    """

    def __init__(
        self,
        app: _App,
        *,
        headers: Mapping[str, str],
        on_listening: Callable[[], None],
        on_draining: Callable[[], None] = lambda: None,
        drain_s: float,
    ) -> None:
        config = uvicorn.Config(
            _Edge(app, headers, lambda: self.should_exit),
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(drain_s),
        )
        super().__init__(config)
        self._on_listening = on_listening
        self._on_draining = on_draining
        self._drain_s = drain_s
        self._hands_over = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        self._on_draining()
        if self._hands_over:
            await self._drained()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's arguments
        """Asks for the drain; a second SIGINT cuts it short.

        Unlike uvicorn's own, it does not note the signal down to be raised again at the end: a stop is no failure.
        """
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self._hands_over = sig != signal.SIGINT
        self.should_exit = True

    async def _drained(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._drain_s
        await asyncio.sleep(_REGISTRATION_S)
        while self.server_state.connections and loop.time() < deadline and not self.force_exit:
            await asyncio.sleep(_POLL_S)
        left = len(self.server_state.connections)
        if left:
            self.config.timeout_graceful_shutdown = 1  # they had their time
            _log.warning("Closing %d connections after %g s of drain", left, self._drain_s)


class _Edge:
    """The app, with headers on every answer; plain ASGI, since it stands before every request."""

    def __init__(self, app: _App, headers: Mapping[str, str], is_draining: Callable[[], bool]) -> None:
        self._app = app
        self._headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self._is_draining = is_draining

    async def __call__(self, scope: _Scope, receive: _App, send: _App) -> None:
        async def send_with_headers(message: _Message) -> None:
            if message["type"] == "http.response.start":
                closing = [(b"connection", b"close")] if self._is_draining() else []
                said = list(message.get("headers", ()))
                # a transformer's answers say which predictor gave them
                names = {name for name, _ in said}
                ours = [header for header in self._headers if header[0] not in names]
                message = {**message, "headers": [*said, *ours, *closing]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
