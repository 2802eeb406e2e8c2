"""A way to the API server that can be cut: a proxy of bytes, for a client whose KUBECONFIG goes through it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml


@dataclass
class Wire:
    """Connections go through while it is whole; cut, those that are open end and new ones are refused."""

    target: tuple[str, int]
    port: int = 0
    _listener: socket.socket | None = None
    _open: list[socket.socket] = field(default_factory=list)

    def mend(self) -> None:
        """Takes connections, at the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """As if the API server had died."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                there = socket.create_connection(self.target)
                self._open += [caller, there]
                threading.Thread(target=_pump, args=(caller, there), daemon=True).start()


def _pump(here: socket.socket, there: socket.socket) -> None:
    ways = {here: there, there: here}
    with here, there, contextlib.suppress(OSError, ValueError):
        while True:
            for source in select.select(list(ways), [], [])[0]:
                data = source.recv(65536)
                if not data:
                    return
                ways[source].sendall(data)


@contextmanager
def wire_to_api_server(kubeconfig: Path, folder: Path) -> Iterator[tuple[Wire, Path]]:
    """A wire to the API server of a kubeconfig, and a kubeconfig that goes through it."""
    config = yaml.safe_load(kubeconfig.read_text())
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    wire = Wire((str(server.hostname), server.port or 443))
    wire.mend()
    cluster = config["clusters"][0]["cluster"]
    cluster |= {"server": f"https://127.0.0.1:{wire.port}", "tls-server-name": server.hostname}
    path = folder / "through-the-wire"
    path.write_text(yaml.safe_dump(config))
    try:
        yield wire, path
    finally:
        wire.cut()
