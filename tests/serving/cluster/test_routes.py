"""Which URL is given out, and when it leads somewhere."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from moorage.serving.base import Address
from moorage.serving.cluster.routes import by_ingress, service_url, users_url, wait_until_routed
from tests.serving.cluster.place import PLACE

NAMED = "http://iris-moorage.example.com"


def test_without_an_ingress_users_are_in_the_cluster():
    assert users_url(PLACE, "iris-predictor", NAMED) == service_url(PLACE, "iris-predictor")
    assert service_url(PLACE, "iris") == f"http://iris.{PLACE.namespace}.svc.cluster.local"


def test_with_an_ingress_they_get_the_url_that_the_tool_names():
    place = replace(PLACE, ingress="http://198.51.100.7")
    assert users_url(place, "iris", NAMED) == NAMED
    assert users_url(place, "iris", None) == service_url(PLACE, "iris")


def test_an_ingress_is_asked_for_the_host_of_that_url():
    assert by_ingress("http://198.51.100.7/", NAMED) == Address("http://198.51.100.7", "iris-moorage.example.com")


class Ingress(BaseHTTPRequestHandler):
    """Knows its route from the third request on."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(str(self.headers["Host"]))
        self.send_response(200 if len(self.asked) > 2 else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ingress() -> Iterator[str]:
    Ingress.asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Ingress)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_route_that_is_not_there_yet_is_waited_for(ingress):
    wait_until_routed(by_ingress(ingress, NAMED), "iris")
    assert Ingress.asked == ["iris-moorage.example.com"] * 3
