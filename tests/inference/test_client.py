"""The client against a server of the standard library that answers as it is told."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from moorage.errors import CallerError, InferenceFailed
from moorage.inference.client import InferenceClient
from moorage.startup import Cause


@dataclass
class Endpoint:
    """What the server answers, and what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b'{"predictions": [42]}'
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    before_answering: Callable[[], object] = lambda: None


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    told = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.asked.append((self.command, self.path, json.loads(content) if content else None))
            told.before_answering()
            self.send_response(told.status)
            for name, value in {"Content-Length": str(len(told.body)), **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body)

        do_GET = do_POST  # noqa: N815 -- the base class's word

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's word
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that ran out of patience is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
def client(endpoint):
    with InferenceClient(endpoint.url, "iris") as client:
        yield client


def test_rows_are_asked_in_the_v1_protocol(endpoint, client):
    assert client.predict(inputs=[[1, 2]]).predictions == [42]
    assert endpoint.asked == [("POST", "/v1/models/iris:predict", {"instances": [[1, 2]]})]


def test_a_whole_body_is_sent_as_it_is(endpoint, client):
    client.predict(data={"inputs": [[1]], "id": "x"})
    assert endpoint.asked[0][2] == {"inputs": [[1]], "id": "x"}


def test_an_answer_comes_with_its_headers_and_its_time(endpoint, client):
    endpoint.headers = {"Moorage-Revision": "7"}
    answer = client.predict(inputs=[[1]])
    assert answer.headers["moorage-revision"] == "7"
    assert answer.elapsed_ms > 0


def test_readiness_is_asked_without_a_question(endpoint, client):
    assert client.ready().predictions is None
    assert endpoint.asked == [("GET", "/v1/models/iris", None)]


ERRORS = {
    "the script raised": (500, b'{"error": "KeyError: 7"}', "answered 500: KeyError: 7"),
    "not ready": (503, b'{"error": "Model with name iris is not ready."}', "answered 503: Model with name iris"),
    "another server": (404, b"<html>nothing here</html>", "answered 404: <html>nothing here</html>"),
    "JSON of another shape": (400, b'["no"]', r'answered 400: \["no"\]'),
    "JSON without an error": (400, b'{"detail": "no"}', 'answered 400: {"detail": "no"}'),
    "bytes": (500, b"\xff\xfe", "answered 500: "),
}


@pytest.mark.parametrize(("status", "body", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_is_told_in_the_servers_words(endpoint, client, status, body, message):
    endpoint.status, endpoint.body = status, body
    with pytest.raises(InferenceFailed, match=message) as failure:
        client.predict(inputs=[[1]])
    assert (failure.value.cause, failure.value.status) == (Cause.PREDICT_ERROR, status)


def test_an_error_that_is_a_sentence_ends_once(endpoint, client):
    endpoint.status, endpoint.body = 503, b'{"error": "The model is not ready."}'
    with pytest.raises(InferenceFailed, match=r"The model is not ready\. See"):
        client.predict(inputs=[[1]])


def test_a_long_error_is_cut(endpoint, client):
    endpoint.status, endpoint.body = 500, b"x" * 100_000
    with pytest.raises(InferenceFailed) as failure:
        client.predict(inputs=[[1]])
    assert len(str(failure.value)) < 1_000


NO_ANSWER = {
    "text": (b"pong", "not JSON: 'pong'"),
    "nothing": (b"", "not JSON: ''"),
    "bytes": (b"\xff\xfe\xfd", "not JSON"),
    "no predictions": (b'{"answers": []}', "has the keys 'answers'"),
    "a list": (b"[1]", "is a list"),
}


@pytest.mark.parametrize(("body", "message"), NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_what_is_no_v1_answer_is_the_deployments_failure(endpoint, client, body, message):
    endpoint.body = body
    with pytest.raises(InferenceFailed, match=message) as failure:
        client.predict(inputs=[[1]])
    assert failure.value.cause == Cause.WRONG_ANSWER


def test_a_slow_answer_is_not_waited_for(endpoint):
    answered = threading.Event()
    endpoint.before_answering = lambda: answered.wait(2)
    with InferenceClient(endpoint.url, "iris", timeout_s=0.1) as client:
        with pytest.raises(InferenceFailed, match=r"'iris' did not answer within 0.1 s\. .*or allow more time"):
            client.predict(inputs=[[1]])
        answered.set()


def test_a_refused_connection_is_told_with_its_address():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with (
            InferenceClient(url, "iris") as client,
            pytest.raises(InferenceFailed, match=f"'iris' does not answer at {url}: .*refused") as failure,
        ):
            client.predict(inputs=[[1]])
    assert (failure.value.cause, failure.value.status) == (Cause.UNREACHABLE, None)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_for_the_way_outside_is_not_asked(endpoint, monkeypatch, name):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    with InferenceClient(endpoint.url, "iris") as client:
        assert client.predict(inputs=[[1]]).predictions == [42]


UNASKABLE: dict[str, dict[str, Any]] = {
    "nothing": {},
    "both": {"inputs": [[1]], "data": {"instances": [[1]]}},
    "no rows": {"inputs": []},
    "a number that JSON has not": {"inputs": [[float("nan")]]},
    "an object that JSON has not": {"inputs": [[object()]]},
}


@pytest.mark.parametrize("question", UNASKABLE.values(), ids=UNASKABLE.keys())
def test_what_makes_no_request_is_never_sent(endpoint, client, question):
    with pytest.raises(CallerError, match=r"given|cannot be sent"):
        client.predict(**question)
    assert endpoint.asked == []
