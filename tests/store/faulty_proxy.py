"""An HTTP proxy before a real S3 server that fails as it is told, once for each fault it is given."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


Ask = Callable[[], Answer]
# Gets what asks the server; returns what to send, or None to hang up. A body cut short is announced whole.
Fault = Callable[["FaultyProxy", Ask], Answer | None]


@dataclass
class FaultyProxy:
    """A running proxy.

    Attributes:
        seen: the requests, in order: "PUT /bucket/key?query".
    """

    url: str
    target: str
    seen: list[str] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    _faults: list[tuple[str, Fault]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, request: str, *faults: Fault) -> None:
        """The next requests that hold all words of `request` meet these faults, one each."""
        self._faults += [(request, fault) for fault in faults]

    def next_fault(self, request: str) -> Fault | None:
        """The fault that this request meets; notes the request."""
        with self._lock:
            self.seen.append(request)
            for number, (words, fault) in enumerate(self._faults):
                if all(word in request for word in words.split()):
                    del self._faults[number]
                    return fault
        return None

    def count(self, request: str) -> int:
        """How many requests held all words of `request`."""
        return sum(all(word in seen for word in request.split()) for seen in self.seen)


def answering(status: int, code: str) -> Fault:
    """S3's error `code`, and the server is not asked."""
    body = f"<Error><Code>{code}</Code><Message>as the test says</Message></Error>".encode()
    return lambda *_: Answer(status, [("Content-Length", str(len(body)))], body)


def losing_the_answer(proxy: FaultyProxy, ask: Ask) -> None:
    """The server does it, and nobody hears of it."""
    ask()


def cutting_the_answer(proxy: FaultyProxy, ask: Ask) -> Answer:
    """Half of the body, then the end."""
    answer = ask()
    return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def saying_nothing(proxy: FaultyProxy, ask: Ask) -> None:
    """Takes the request and keeps silent until the test ends."""
    proxy.closing.wait()


def doing_first(act: Callable[[], object]) -> Fault:
    """Does something else before the server is asked, such as what a rival does."""

    def fault(proxy: FaultyProxy, ask: Ask) -> Answer:
        act()
        return ask()

    return fault


@contextmanager
def running_proxy(target: str) -> Iterator[FaultyProxy]:
    """A proxy before the server at `target`, on a free port of loopback."""
    proxy = FaultyProxy("", target)

    class Handler(_Handler):
        faulty = proxy

    with _Server(("127.0.0.1", 0), Handler) as server:
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.closing.set()
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up first is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faulty: FaultyProxy

    def log_message(self, *args: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.faulty.next_fault(f"{self.command} {self.path}")
        answer = fault(self.faulty, lambda: self._ask(body)) if fault else self._ask(body)
        if answer is None:
            self.close_connection = True
            return
        self._send(answer)

    def _ask(self, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.faulty.target).netloc)
        try:
            # The host is part of the signature, so it stays as it is.
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        announced = len(answer.body)
        for name, value in answer.headers:
            if name.lower() == "content-length":
                announced = int(value)
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        if answer.status != http.client.NO_CONTENT:
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = len(answer.body) < announced and self.command != "HEAD"

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - the names are http.server's
