"""A port of this machine that leads to a pod's, through the API server: for where nothing else reaches."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kubernetes.stream.ws_client import portforward_call

from moorage.serving.cluster.client import ClusterClient
from moorage.serving.cluster.kinds import POD

_log = logging.getLogger(__name__)

_BUFFER: Final = 64 << 10
_POLL_S: Final = 0.5
# What a connection gets to end in.
_END_S: Final = 2.0
_LOOK_S: Final = 0.01


@contextmanager
def forwarded(client: ClusterClient, pod: str, port: int) -> Iterator[str]:
    """A base URL on loopback, for as long as the block lasts; each connection to it is one to the pod's port."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_POLL_S)
        thread = threading.Thread(target=_accept, args=(listener, client, pod, port, ended), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join(_END_S)


def _accept(listener: socket.socket, client: ClusterClient, pod: str, port: int, ended: threading.Event) -> None:
    serving: list[threading.Thread] = []
    while not ended.is_set():
        try:
            caller, _ = listener.accept()
        except TimeoutError:
            continue
        except OSError:
            break
        thread = threading.Thread(target=_serve, args=(caller, client, pod, port, ended), daemon=True)
        thread.start()
        serving = [each for each in serving if each.is_alive()] + [thread]
    for thread in serving:
        thread.join(_END_S)


def _serve(caller: socket.socket, client: ClusterClient, pod: str, port: int, ended: threading.Event) -> None:
    with caller:
        try:
            tunnel = _tunnel(client, pod, port)
        except Exception as exc:  # noqa: BLE001 - the caller's connection closes, which is what a dead port does
            _log.debug("pod %s port %d: %s", pod, port, exc)
            return
        with contextlib.closing(tunnel.socket(port)) as there:
            _pump(caller, there, ended)
            _drain(there)
        # a thread of the library's closes the connection, once it has seen the end of ours
        deadline = time.monotonic() + _END_S
        while tunnel.websocket.connected and time.monotonic() < deadline:
            time.sleep(_LOOK_S)


def _drain(there: socket.socket) -> None:
    """Ends our side and reads what is on its way: closed with that unread, it would fail the library's thread."""
    with contextlib.suppress(OSError):
        there.settimeout(_END_S)
        there.shutdown(socket.SHUT_WR)
        while there.recv(_BUFFER):
            pass


def _tunnel(client: ClusterClient, pod: str, port: int) -> Any:
    """What the client's `stream.portforward` does, without the two seconds that its generated API takes to load."""
    headers = {name.lower(): value for name, value in client.headers().items()}
    return portforward_call(  # type: ignore[no-untyped-call]
        client.api.configuration,
        "GET",
        f"{client.server}{POD.path(client.namespace, pod)}/portforward",
        query_params=[("ports", str(port))],
        headers=headers,
    )


def _pump(here: socket.socket, there: socket.socket, ended: threading.Event) -> None:
    """Bytes both ways until one side closes."""
    ways = {here: there, there: here}
    while not ended.is_set():
        for source in select.select(list(ways), [], [], _POLL_S)[0]:
            try:
                data = source.recv(_BUFFER)
                if not data:
                    return
                ways[source].sendall(data)
            except OSError:
                return
