"""The smoke test against a server that answers as some revision would."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from moorage.deployment import ResolvedArtifact, SmokeRequest
from moorage.errors import InferenceFailed
from moorage.inference.protocol import ARTIFACT_DIGEST_HEADER, MODEL_DIGEST_HEADER, REVISION_HEADER
from moorage.inference.smoke import smoke_test
from moorage.startup import Cause
from tests.values import a_revision

REVISION_1 = {REVISION_HEADER: "1", MODEL_DIGEST_HEADER: "sha256:aa", ARTIFACT_DIGEST_HEADER: "sha256:bb"}


@dataclass
class Doubling:
    """A server that doubles the first number of each row, and says which revision it is."""

    url: str = ""
    headers: dict[str, str] = field(default_factory=lambda: dict(REVISION_1))
    headers_of_answers: dict[str, str] | None = None
    ready_status: int = 200
    headers_at_first: list[dict[str, str]] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Doubling]:
    told = Doubling()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer({"name": "iris", "ready": True}, told.headers, told.ready_status)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.asked.append(body)
            answer = {"predictions": [row[0] * 2 for row in body["instances"]]}
            self.answer(answer, told.headers if told.headers_of_answers is None else told.headers_of_answers)

        def answer(self, body: object, headers: dict[str, str], status: int = 200) -> None:
            if told.headers_at_first:
                headers = told.headers_at_first.pop(0)
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's word
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        told.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield told
        http.shutdown()
        thread.join()


def asking(*requests: SmokeRequest, **changes: Any):
    return a_revision(smoke_requests=requests, **changes)


def test_every_request_is_asked_and_those_with_an_expectation_are_compared(server):
    requests = (
        SmokeRequest(inputs=[[1]], expect=[2]),
        SmokeRequest(inputs=[[5]]),
        SmokeRequest(data={"instances": [[4]]}, expect=[8]),
    )
    proof = smoke_test(server.url, asking(*requests))
    assert (proof.requests, proof.compared) == (3, 2)
    assert [body["instances"] for body in server.asked] == [[[1]], [[5]], [[4]]]
    assert proof.slowest_ms > 0


def test_without_requests_it_is_only_asked_whether_it_is_ready(server):
    proof = smoke_test(server.url, asking())
    assert (proof.requests, proof.compared, proof.slowest_ms) == (0, 0, 0)


def test_a_revision_that_is_not_ready_is_not_asked(server):
    server.ready_status = 503
    with pytest.raises(InferenceFailed, match="answered 503"):
        smoke_test(server.url, asking(SmokeRequest(inputs=[[1]])))
    assert server.asked == []


def test_a_wrong_answer_says_which_request_and_where(server):
    requests = (SmokeRequest(inputs=[[1]], expect=[2]), SmokeRequest(inputs=[[1], [3]], expect=[2, 7]))
    with pytest.raises(InferenceFailed, match=r"request 2 of 2 .*predictions\[1\]: expected 7, got 6") as failure:
        smoke_test(server.url, asking(*requests))
    assert failure.value.cause == Cause.WRONG_ANSWER


def test_an_answer_within_the_tolerance_will_do(server):
    request = SmokeRequest(inputs=[[0.5]], expect=[1.01], tolerance=0.02)
    assert smoke_test(server.url, asking(request)).compared == 1


def test_an_answer_beyond_the_tolerance_will_not(server):
    request = SmokeRequest(inputs=[[0.5]], expect=[1.01], tolerance=0.001)
    with pytest.raises(InferenceFailed, match=r"tolerance 0\.001"):
        smoke_test(server.url, asking(request))


def test_without_an_expectation_any_answer_will_do(server):
    assert smoke_test(server.url, asking(SmokeRequest(inputs=[[1]], expect=None))).compared == 0


FOREIGN = {
    "another revision": {REVISION_HEADER: "2"},
    "a revision that only begins alike": {REVISION_HEADER: "10"},
    "other model files": {MODEL_DIGEST_HEADER: "sha256:cc"},
    "other artifact files": {ARTIFACT_DIGEST_HEADER: "sha256:cc"},
    "no digest": {MODEL_DIGEST_HEADER: ""},
}


@pytest.mark.parametrize("changed", FOREIGN.values(), ids=FOREIGN.keys())
def test_an_answer_of_somebody_else_is_no_proof(server, changed):
    [name] = changed
    server.headers |= changed
    with pytest.raises(InferenceFailed, match=f"came from somebody else: its {name} .*Expected '{REVISION_1[name]}'"):
        smoke_test(server.url, asking(SmokeRequest(inputs=[[1]])))
    assert server.asked == []


@pytest.mark.parametrize("changed", FOREIGN.values(), ids=FOREIGN.keys())
def test_each_answer_is_looked_at_for_who_gave_it(server, changed):
    server.headers_of_answers = REVISION_1 | changed
    with pytest.raises(InferenceFailed, match="came from somebody else") as failure:
        smoke_test(server.url, asking(SmokeRequest(inputs=[[1]])))
    assert failure.value.cause == Cause.UNREACHABLE


def test_an_answer_of_the_pods_before_is_asked_again_until_they_are_gone(server):
    server.headers = REVISION_1 | {REVISION_HEADER: "7"}
    server.headers_at_first = [REVISION_1, server.headers, REVISION_1]  # the second came to the new one's /ready
    proof = smoke_test(server.url, asking(SmokeRequest(inputs=[[1]], expect=[2]), number=7))
    assert (proof.compared, len(server.asked)) == (1, 2)


def test_pods_before_that_do_not_go_are_told(server):
    with pytest.raises(InferenceFailed, match=r"came from somebody else.*Expected '7'") as failure:
        smoke_test(server.url, asking(SmokeRequest(inputs=[[1]]), number=7), patience_s=0.5)
    assert failure.value.cause == Cause.UNREACHABLE


def test_a_server_that_does_not_say_who_it_is_is_somebody_else(server):
    server.headers = {}
    with pytest.raises(InferenceFailed, match=f"its {REVISION_HEADER} is None"):
        smoke_test(server.url, asking())


def test_version_0_of_the_artifact_has_no_digest_to_be_told(server):
    server.headers = {name: value for name, value in REVISION_1.items() if name != ARTIFACT_DIGEST_HEADER}
    assert smoke_test(server.url, asking(artifact=ResolvedArtifact(version=0))).requests == 0
