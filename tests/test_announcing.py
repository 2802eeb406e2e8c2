"""What happens in the registry, told to whoever takes events; the server is a real one, on this machine."""

import json
import logging
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from moorage.predictor import ModelSource
from moorage.registry.garbage import Collected
from moorage.settings import Settings
from moorage.site import Site


class Events(ThreadingHTTPServer):
    """Takes events on a free port, and keeps them."""

    def __init__(self, answer: int) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.answer = answer
        self.taken: list[dict[str, Any]] = []
        self.authorized: list[str | None] = []


class Taker(BaseHTTPRequestHandler):
    """One request."""

    server: Events

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken += json.loads(body)
        self.server.authorized.append(self.headers.get("Authorization"))
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def taking(answer=204):
    server = Events(answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server():
    with taking() as server:
        yield server


def site_at(tmp_path, port, **environ):
    settings = Settings.from_env({"MOORAGE_HOME": str(tmp_path / "home"), **environ})
    if port:
        settings = settings.model_copy(update={"events": f"http://127.0.0.1:{port}/api/events"})
    return Site(settings, "ada@lovelace")


def publish(site, tmp_path, weights="1"):
    (tmp_path / "weights").write_text(weights)
    return site.registry.publish("iris", ModelSource(path=str(tmp_path / "weights"), metrics={"auc": 0.9})).model


def test_a_new_version_is_told_once_with_what_a_trigger_needs(server, tmp_path):
    site = site_at(tmp_path, server.server_port)
    model = publish(site, tmp_path)
    publish(site, tmp_path)
    [event] = server.taken
    assert event["event"] == "moorage.model.registered"
    assert event["resource"] == {"prefect.resource.id": "moorage.model.default.iris", "prefect.resource.name": "iris"}
    assert event["related"] == [{"prefect.resource.id": "moorage.project.default", "prefect.resource.role": "project"}]
    assert event["payload"] == {
        "name": "iris",
        "version": 1,
        "digest": model.digest,
        "metrics": {"auc": 0.9},
        "project": "default",
    }


def test_an_alias_that_moves_is_told_and_one_that_stays_is_not(server, tmp_path):
    site = site_at(tmp_path, server.server_port)
    publish(site, tmp_path)
    references = site.registry.references("iris")
    for _ in range(2):
        references.move_aliases({"champion": 1})
    references.move_aliases({"champion": None})
    payloads = [event["payload"] for event in server.taken if event["event"] == "moorage.alias.moved"]
    assert [(payload["alias"], payload["version"]) for payload in payloads] == [("champion", 1), ("champion", None)]


def test_each_event_has_an_id_of_its_own_and_the_same_news_the_same(server, tmp_path):
    site = site_at(tmp_path, server.server_port)
    for weights in ("1", "2"):
        publish(site, tmp_path, weights)
    again = site.announcer.project, site.registry.get("iris", 1)
    first, second = (event["id"] for event in server.taken)
    assert first != second
    from moorage.announcing import event_of
    from moorage.registry.news import ModelRegistered

    assert event_of(ModelRegistered(again[1]), again[0])["id"] == first


def test_collecting_garbage_and_pins_are_no_news(server, tmp_path):
    site = site_at(tmp_path, server.server_port)
    publish(site, tmp_path)
    server.taken.clear()
    assert isinstance(site.registry.collect_garbage(), Collected)
    site.registry.references("iris").set_tag(1, "team", "risk")
    assert server.taken == []


def test_the_servers_own_credentials_are_used_and_never_told(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:secret")
    server.answer = 401
    publish(site_at(tmp_path, server.server_port), tmp_path)
    assert server.authorized == ["Basic YWRtaW46c2VjcmV0"]
    assert "it answered 401" in caplog.text
    assert "secret" not in caplog.text
    assert "YWRtaW46" not in caplog.text


def test_nobody_there_is_a_warning_and_the_model_is_published(tmp_path, caplog):
    with taking() as server:
        port = server.server_port
    with caplog.at_level(logging.WARNING):
        assert publish(site_at(tmp_path, port), tmp_path).version == 1
    assert "The event 'moorage.model.registered' could not be posted: ConnectError" in caplog.text


URLS = {
    "nothing": ({}, ""),
    "a Prefect server": ({"PREFECT_API_URL": "http://127.0.0.1:4200/api/"}, "http://127.0.0.1:4200/api/events"),
    "no URL": ({"PREFECT_API_URL": "ephemeral"}, ""),
    "one of its own": (
        {"PREFECT_API_URL": "http://127.0.0.1:4200/api", "MOORAGE_EVENTS": "https://events.example.com/in"},
        "https://events.example.com/in",
    ),
    "nowhere": ({"PREFECT_API_URL": "http://127.0.0.1:4200/api", "MOORAGE_EVENTS": "none"}, ""),
}


@pytest.mark.parametrize(("environ", "url"), URLS.values(), ids=URLS.keys())
def test_events_go_to_the_prefect_server_unless_told_otherwise(environ, url):
    assert Settings.from_env(environ).events_url == url
