"""A TCP proxy before a server that counts what clients send through it: every byte, headers and repetitions too."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_CHUNK_BYTES = 1 << 18


class CountingProxy:
    """Passes bytes on both ways as soon as they come.

    Attributes:
        sent: bytes that clients sent, of all connections since it was set to 0.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._lock = threading.Lock()
        self._unanswered: dict[socket.socket, int] = {}
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def under_way(self, least: int) -> int:
        """On how many connections at least so many bytes went to the server since it answered last."""
        with self._lock:
            return sum(size >= least for size in self._unanswered.values())

    @property
    def is_idle(self) -> bool:
        """Whether all connections have ended, and all that was sent has passed."""
        with self._lock:
            return not self._unanswered

    def run(self) -> None:
        """Takes connections until it is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                with self._lock:
                    self._unanswered[client] = 0
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pass_back, args=(client, server), daemon=True).start()

    def close(self) -> None:
        # A shutdown wakes the thread that waits for a connection; a close does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while chunk := client.recv(_CHUNK_BYTES):
                with self._lock:
                    self.sent += len(chunk)
                    self._unanswered[client] += len(chunk)
                server.sendall(chunk)
        # The server sees what the client did: it went away, with a request half sent perhaps.
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _pass_back(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            with suppress(OSError):
                while chunk := server.recv(_CHUNK_BYTES):
                    with self._lock:
                        self._unanswered[client] = 0
                    client.sendall(chunk)
            with self._lock:
                self._unanswered.pop(client, None)


@contextmanager
def counted(endpoint_url: str) -> Iterator[CountingProxy]:
    """A proxy before the server."""
    place = urlsplit(endpoint_url)
    assert place.hostname is not None
    assert place.port is not None
    proxy = CountingProxy((place.hostname, place.port))
    thread = threading.Thread(target=proxy.run, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
