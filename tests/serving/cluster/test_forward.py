"""How a forwarded connection ends: what the other side still says must not fail it."""

import socket
import threading
from collections.abc import Callable

from moorage.serving.cluster.forward import _drain


def what_the_other_side_sees(end: Callable[[socket.socket, threading.Thread], None]) -> bytes | OSError:
    """It has said something that nobody read, and reads until the end."""
    ours, theirs = socket.socketpair()
    theirs.sendall(b"one word more")
    seen: list[bytes | OSError] = []

    def read() -> None:
        with theirs:
            try:
                seen.append(theirs.recv(10))
            except OSError as exc:
                seen.append(exc)

    reading = threading.Thread(target=read)
    with ours:
        end(ours, reading)
    reading.join()
    return seen[0]


def closed_at_once(ours: socket.socket, reading: threading.Thread) -> None:
    ours.close()
    reading.start()


def read_to_its_end(ours: socket.socket, reading: threading.Thread) -> None:
    reading.start()
    _drain(ours)


def test_a_connection_that_is_closed_with_something_unread_is_reset():
    assert isinstance(what_the_other_side_sees(closed_at_once), OSError)


def test_one_that_is_read_to_its_end_is_not():
    assert what_the_other_side_sees(read_to_its_end) == b""
