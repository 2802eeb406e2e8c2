"""What obstore moves single objects with: whatever goes wrong there ends as it does with boto3 alone."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from moorage.errors import StoreUnavailable
from moorage.store.records import put_record
from moorage.store.s3 import S3Store
from moorage.store.transfer import send_file
from tests.store.faulty_proxy import Answer, Ask, FaultyProxy, answering, losing_the_answer

ROOT = Path(__file__).parents[2]
FORKED = """
import multiprocessing, sys
from moorage.store.s3 import S3Store

_, _, bucket, prefix = sys.argv[1].split("/", 3)
store = S3Store(bucket, prefix, fast=True)
store.put_if_absent("of the parent", b"one")

def work():
    assert store.get("of the parent") == b"one"
    assert store.put_if_absent("of the child", b"two")

child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join(60)
print(child.exitcode, store.get("of the child") == b"two")
"""

CONFLICT = answering(409, "ConditionalRequestConflict")


def test_a_conflict_is_neither_won_nor_lost_and_the_write_is_done_again(
    fast_store: S3Store, proxy: FaultyProxy
) -> None:
    proxy.fail("PUT /key", CONFLICT, CONFLICT)
    assert fast_store.put_if_absent("key", b"one")
    # obstore, which then looked whether it had lost, and boto3 twice.
    assert (fast_store.get("key"), proxy.count("PUT /key"), proxy.count("HEAD /key")) == (b"one", 3, 1)


def test_a_conflict_with_a_rival_that_won_is_lost(fast_store: S3Store, proxy: FaultyProxy) -> None:
    def rival_wins(proxy: FaultyProxy, ask: Ask) -> Answer | None:
        assert fast_store.put_if_absent("key", b"of the rival")
        return CONFLICT(proxy, ask)

    proxy.fail("PUT /key", rival_wins)
    assert not fast_store.put_if_absent("key", b"one")
    assert fast_store.get("key") == b"of the rival"


def test_a_write_whose_answer_was_lost_is_known_by_its_content(
    fast_store: S3Store, proxy: FaultyProxy, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"one")
    fast_store.put_if_absent("first", b"")
    proxy.fail("PUT /record", losing_the_answer)
    proxy.fail("PUT /file", losing_the_answer)
    assert put_record(fast_store, "record", {"a": 1}) == fast_store.get("record")
    assert send_file(fast_store, "file", tmp_path / "file").size == len(fast_store.get("file"))


def test_a_read_that_fails_is_done_again(fast_store: S3Store, proxy: FaultyProxy) -> None:
    fast_store.put_if_absent("key", b"one")
    proxy.fail("GET /key", answering(503, "SlowDown"), losing_the_answer)
    assert (fast_store.get("key"), fast_store.get("key", start=1, length=9)) == (b"one", b"ne")


def test_an_endpoint_that_is_down_is_said_as_ever(fast_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:hush@127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(StoreUnavailable, match=r"at http://127.0.0.1:\d+ did not answer GetObject") as refusal:
            fast_store.get("key")
    assert "hush" not in str(refusal.value)


def test_an_endpoint_that_is_down_takes_no_write(fast_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fast_store.put_if_absent("proven", b"")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        store = S3Store("moorage-tests", "down", fast=True)
        with pytest.raises(StoreUnavailable, match=r"did not answer GetObject|did not answer PutObject"):
            store.put_if_absent("key", b"one")


def test_a_forked_child_works(fast_store: S3Store) -> None:
    # In a program of its own: what ran in this one before may not survive a fork.
    command = [sys.executable, "-c", FORKED, fast_store.url]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout == "0 True\n"


def test_without_obstore_threads_that_open_stores_at_once_all_use_boto3(s3_store: S3Store) -> None:
    bucket = s3_store.url.split("/")[2]
    for _ in range(3):
        command = [sys.executable, "-m", "tests.store.without_obstore", bucket]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
