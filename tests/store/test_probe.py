from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from moorage.errors import StoreRefused
from moorage.store.probe import PROBE, ROUNDS, prove_put_if_absent
from moorage.store.s3 import S3Store
from tests.store.faulty_proxy import FaultyProxy

EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


class Memory:
    """What the probe asks of a store, on a set."""

    def __init__(self) -> None:
        self.written: set[str] = set()
        self.lock = threading.Lock()

    def put(self, key: str) -> bool:
        with self.lock:
            is_new = key not in self.written
            self.written.add(key)
            return is_new

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.written if key.startswith(prefix)]

    def delete(self, key: str) -> None:
        self.written.discard(key)

    def prove(self) -> None:
        prove_put_if_absent("bucket 'b'", put=self.put, keys=self.keys, delete=self.delete)


class IgnoresTheHeader(Memory):
    def put(self, key: str) -> bool:
        super().put(key)
        return True


class ChecksAndThenWrites(Memory):
    """Both writers look before either writes."""

    def __init__(self) -> None:
        super().__init__()
        self.both_looked = threading.Barrier(2)

    def put(self, key: str) -> bool:
        if is_new := key not in self.written:
            self.both_looked.wait()
            self.written.add(key)
        return is_new


class ListsNothing(Memory):
    def keys(self, prefix: str) -> list[str]:
        return []


class MayNotDelete(Memory):
    def delete(self, key: str) -> None:
        raise StoreRefused("no s3:DeleteObject")


@contextmanager
def http_server(
    log: list[tuple[str, str, dict[str, str]]], *, status: int = 200, page: bytes = EMPTY_LIST
) -> Iterator[str]:
    """Says the same to everything, and keeps nothing but what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def agree(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            log.append((self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
            body = page if self.command == "GET" else b""
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = agree  # noqa: N815 - the names are http.server's

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")


def test_a_store_that_keeps_the_first_write_passes_and_is_left_clean() -> None:
    store = Memory()
    store.prove()
    assert store.written == set()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (IgnoresTheHeader, "2 of 2 writers of one key were told that they created it"),
        (ChecksAndThenWrites, "2 of 2 writers of one key were told that they created it"),
        (ListsNothing, "a list does not show what was written before"),
    ],
)
def test_a_store_that_only_pretends_is_refused_and_left_clean(make: Callable[[], Memory], message: str) -> None:
    store = make()
    with pytest.raises(StoreRefused, match=f"Bucket 'b' cannot be a store: {message}.*Use AWS S3, Cloudflare R2"):
        store.prove()
    assert store.written == set()


def test_who_may_not_delete_may_publish_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    store = MayNotDelete()
    with caplog.at_level(logging.WARNING):
        store.prove()
    assert len(store.written) == ROUNDS
    assert f"is left as '{PROBE}/" in caplog.text


@pytest.mark.usefixtures("credentials")
def test_an_s3_server_that_ignores_the_header_is_refused_by_every_write(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_server([]) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        store = S3Store("bucket")
        for _ in range(2):
            with pytest.raises(StoreRefused, match=f"Bucket 'bucket' at {url} cannot be a store.*'If-None-Match: \\*'"):
                store.put_if_absent("a", b"")


@pytest.mark.usefixtures("credentials")
def test_what_is_no_s3_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_server([], status=404, page=b"<html>No such page<br></html>") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(StoreRefused, match=r"ListObjectsV2 with 404 .*See whether AWS_ENDPOINT_URL.* an S3 store"):
            S3Store("bucket").put_if_absent("a", b"")


@pytest.mark.usefixtures("credentials")
def test_google_is_asked_by_its_own_header(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, dict[str, str]]] = []
    with http_server(asked) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://storage.googleapis.com")
        monkeypatch.setenv("HTTP_PROXY", url)
        with pytest.raises(StoreRefused, match=r"storage.googleapis.com cannot be a store"):
            S3Store("bucket").put_if_absent("a", b"")
    puts = [(path, headers) for verb, path, headers in asked if verb == "PUT"]
    assert {path.rpartition("/")[0] for path, _ in puts} == {f"http://storage.googleapis.com/bucket/{PROBE}"}
    assert {(said.get("x-goog-if-generation-match"), said.get("if-none-match")) for _, said in puts} == {("0", None)}


def test_a_store_is_probed_by_its_first_write_only(s3_store: S3Store, proxy: FaultyProxy) -> None:
    s3_store.head("a")
    assert proxy.count(PROBE) == 0
    s3_store.put_if_absent("a", b"")
    probed = proxy.count(PROBE)
    s3_store.put_if_absent("b", b"")
    assert proxy.count(PROBE) == probed > 0
    assert [found.key for found in s3_store.list("")] == ["a", "b"]
