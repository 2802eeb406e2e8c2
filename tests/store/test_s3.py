"""What only a store in S3 does: parts, credentials, the network's faults, forks."""

from __future__ import annotations

import io
import json
import os
import pickle
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import boto3
import pytest

from moorage.errors import InvalidName, StoreRefused, StoreUnavailable
from moorage.store import open_store
from moorage.store.records import put_record
from moorage.store.s3 import S3Store
from moorage.store.s3_parts import PART_BYTES
from moorage.store.transfer import send_file
from tests.conftest import BUCKET
from tests.seaweed import Seaweed
from tests.store.faulty_proxy import (
    FaultyProxy,
    answering,
    cutting_the_answer,
    doing_first,
    losing_the_answer,
    saying_nothing,
)

MANY_MIB = os.urandom(20 << 20)

# 32 children of a process that has talked to the store already; all wait for one pipe to close, then write one key.
FORKED_RACE = """
import os, sys
from moorage.store import open_store
store = open_store(sys.argv[1])
assert store.put_if_absent("before", b"")
start, go = os.pipe()
children = []
for child in range(32):
    if not (pid := os.fork()):
        os.close(go)
        store.head("before")
        os.read(start, 1)
        os._exit(store.put_if_absent("race", b"%d" % child * 1000))
    children.append(pid)
os.close(go)
won = [child for child, pid in enumerate(children) if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1]
print(len(won), store.get("race") == b"%d" % won[0] * 1000)
"""


class Sequential:
    """A stream that can only be read, and gives less than it is asked for."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(min(size, 3_000_000))


class Growing(io.FileIO):
    """A file to which somebody appends as soon as it is read."""

    def read(self, size: int | None = -1, /) -> bytes | Any:
        if self.tell() == 0:
            with open(self.name, "ab") as more:
                more.write(b" and more")
        return super().read(size)


class Breaking(io.BytesIO):
    """A stream whose disk breaks after sixteen mebibytes and some."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > PART_BYTES:
            raise OSError("the disk of the caller broke")
        return super().read(min(size or 0, 1 << 20))


def s3() -> Any:
    return boto3.session.Session().client("s3")


def uploads_left(store: S3Store) -> list[Any]:
    prefix = store.url.removeprefix(f"s3://{BUCKET}/")
    return list(s3().list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads", []))


def keys_of(store: S3Store, prefix: str = "", limit: int | None = None) -> list[str]:
    return [found.key for found in store.list(prefix, limit=limit)]


@pytest.mark.parametrize("body", [io.BytesIO(MANY_MIB), Sequential(MANY_MIB), MANY_MIB], ids=["file", "pipe", "bytes"])
def test_a_large_object_goes_up_in_parts_and_reads_back(s3_store: S3Store, body: Any) -> None:
    assert s3_store.put_if_absent("large", body)
    assert s3_store.get("large") == MANY_MIB
    assert s3_store.get("large", start=16_777_210, length=20) == MANY_MIB[16_777_210:16_777_230]
    assert uploads_left(s3_store) == []


def test_a_large_object_that_is_there_is_not_sent_again(s3_store: S3Store, proxy: FaultyProxy) -> None:
    s3_store.put_if_absent("large", b"small")
    assert not s3_store.put_if_absent("large", io.BytesIO(MANY_MIB))
    assert (proxy.count("POST"), s3_store.get("large")) == (0, b"small")


def test_who_completes_a_large_object_second_loses_and_leaves_no_parts(s3_store: S3Store, proxy: FaultyProxy) -> None:
    rival = pickle.loads(pickle.dumps(s3_store))  # noqa: S301 - our own pickle
    proxy.fail("POST uploadId=", doing_first(lambda: rival.put_if_absent("large", b"rival")))
    assert not s3_store.put_if_absent("large", io.BytesIO(MANY_MIB))
    assert (s3_store.get("large"), uploads_left(s3_store)) == (b"rival", [])


def test_a_stream_that_breaks_in_the_middle_leaves_no_parts(s3_store: S3Store) -> None:
    with pytest.raises(OSError, match="the disk of the caller broke"):
        s3_store.put_if_absent("large", Breaking(MANY_MIB))
    assert (s3_store.head("large"), uploads_left(s3_store)) == (None, [])


@pytest.mark.parametrize("code", ["ConditionalRequestConflict", "OperationAborted"])
def test_a_conflict_of_small_writes_is_neither_won_nor_lost(s3_store: S3Store, proxy: FaultyProxy, code: str) -> None:
    s3_store.put_if_absent("first", b"")
    proxy.fail("PUT /wanted", *[answering(409, code)] * 3)
    assert s3_store.put_if_absent("wanted", b"one")
    assert (proxy.count("PUT /wanted"), s3_store.get("wanted")) == (4, b"one")


def test_a_conflict_at_the_end_of_a_large_write_begins_it_anew(s3_store: S3Store, proxy: FaultyProxy) -> None:
    proxy.fail("POST uploadId=", answering(409, "ConditionalRequestConflict"))
    assert s3_store.put_if_absent("large", io.BytesIO(MANY_MIB))
    assert (proxy.count("POST ?uploads"), uploads_left(s3_store)) == (2, [])
    assert s3_store.get("large") == MANY_MIB


def test_what_cannot_be_read_again_is_not_written_after_a_conflict(s3_store: S3Store, proxy: FaultyProxy) -> None:
    proxy.fail("POST uploadId=", answering(409, "ConditionalRequestConflict"))
    with pytest.raises(StoreUnavailable, match=r"'large' was not written: .*cannot be read once more. Do it again"):
        s3_store.put_if_absent("large", Sequential(MANY_MIB))  # type: ignore[arg-type]
    assert (s3_store.head("large"), uploads_left(s3_store)) == (None, [])


def test_a_small_write_whose_answer_was_lost_is_known_as_our_own(s3_store: S3Store, proxy: FaultyProxy) -> None:
    s3_store.put_if_absent("first", b"")
    proxy.fail("PUT /record", losing_the_answer)
    written = put_record(s3_store, "record", {"n": 1})
    assert (proxy.count("PUT /record"), s3_store.get("record")) == (2, written)


def test_a_large_write_whose_answer_was_lost_is_known_by_its_content(
    s3_store: S3Store, proxy: FaultyProxy, tmp_path: Any
) -> None:
    (tmp_path / "large").write_bytes(MANY_MIB)
    proxy.fail("POST uploadId=", losing_the_answer)
    assert send_file(s3_store, "large", tmp_path / "large").size == len(MANY_MIB)
    assert proxy.count("POST uploadId=") > 1
    assert uploads_left(s3_store) == []


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (503, "ServiceUnavailable")])
def test_a_store_that_is_busy_for_a_moment_is_asked_again(
    s3_store: S3Store, proxy: FaultyProxy, status: int, code: str
) -> None:
    s3_store.put_if_absent("a", b"one")
    proxy.fail("GET /a", answering(status, code))
    assert s3_store.get("a") == b"one"


def test_a_store_that_stays_busy_is_unavailable(
    s3_store: S3Store, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    s3_store.put_if_absent("a", b"")
    proxy.fail("PUT /wanted", *[answering(503, "SlowDown")] * 2)
    with pytest.raises(
        StoreUnavailable, match=r"'wanted' was not written: .*PutObject with SlowDown \(as the test says\)"
    ):
        s3_store.put_if_absent("wanted", b"")


def test_an_answer_that_breaks_off_is_asked_for_again(s3_store: S3Store, proxy: FaultyProxy) -> None:
    s3_store.put_if_absent("a", b"one" * 1000)
    proxy.fail("GET /a", cutting_the_answer, cutting_the_answer)
    assert s3_store.get("a") == b"one" * 1000


def test_answers_that_always_break_off_are_no_answer(s3_store: S3Store, proxy: FaultyProxy) -> None:
    s3_store.put_if_absent("a", b"one" * 1000)
    proxy.fail("GET /a", *[cutting_the_answer] * 3)
    with pytest.raises(StoreUnavailable, match=r"'a' was not read: .* did not answer GetObject"):
        s3_store.get("a")


def test_a_silent_store_is_asked_again_and_then_given_up(
    seaweed: Seaweed, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    store = S3Store(BUCKET, secrets.token_hex(8), timeout_s=0.3)
    store.put_if_absent("a", b"one")
    proxy.fail("GET /a", *[saying_nothing] * 3)
    with pytest.raises(StoreUnavailable, match=r"did not answer GetObject \(ReadTimeoutError\)"):
        store.get("a")
    assert store.get("a") == b"one"


def test_a_wrong_clock_is_named(s3_store: S3Store, proxy: FaultyProxy) -> None:
    proxy.fail("GET", answering(403, "RequestTimeTooSkewed"))
    with pytest.raises(StoreRefused, match=r"RequestTimeTooSkewed.*15 minutes at most. Set the clock of this machine"):
        s3_store.get("a")


def test_a_store_that_is_down_is_unavailable(s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:hush@127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(
            StoreUnavailable, match=r"at http://127.0.0.1:\d+ did not answer GetObject.*AWS_ENDPOINT_URL"
        ):
            s3_store.get("a")


VERBS = {
    "put": lambda store: store.put_if_absent("a", b""),
    "get": lambda store: store.get("a"),
    "head": lambda store: store.head("a"),
    "list": lambda store: list(store.list("")),
    "delete": lambda store: store.delete("a"),
    "give up uploads": lambda store: store.abort_uploads(""),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_bucket_that_does_not_exist_is_named_and_not_made(seaweed: Seaweed, s3_store: S3Store, verb: str) -> None:
    missing = S3Store(f"missing-{secrets.token_hex(4)}", "p")
    with pytest.raises(StoreRefused, match=f"bucket 'missing-.*' at {seaweed.endpoint_url} .*NoSuchBucket.*Create the"):
        VERBS[verb](missing)
    assert [found["Name"] for found in s3().list_buckets()["Buckets"] if "missing" in found["Name"]] == []


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("name", "code"), [("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch"), ("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId")]
)
def test_wrong_credentials_are_named_and_never_shown(
    s3_store: S3Store, monkeypatch: pytest.MonkeyPatch, verb: str, name: str, code: str
) -> None:
    monkeypatch.setenv(name, "hush")
    with pytest.raises(StoreRefused, match=f"{code}.*Check the credentials: AWS_ACCESS_KEY_ID") as caught:
        VERBS[verb](s3_store)
    assert "hush" not in str(caught.value)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


def test_no_credentials_at_all_is_said(s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(StoreRefused, match=r"no usable credentials for bucket.*Set AWS_ACCESS_KEY_ID and"):
        s3_store.get("a")


def test_a_profile_that_does_not_exist_is_named(s3_store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreRefused, match=r"nobody.*could not be found.*AWS_PROFILE"):
        s3_store.get("a")


@pytest.mark.parametrize("endpoint", ["localhost:8333", "http://", "nonsense"])
def test_an_endpoint_that_is_no_url_is_refused(
    s3_store: S3Store, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(StoreRefused, match="Set AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL to one like https://"):
        s3_store.get("a")


DENIED = {
    "put": ("s3:PutObject", "{bucket}/p/\\*"),
    "get": ("s3:GetObject", "{bucket}/p/\\*, and s3:ListBucket on"),
    "head": ("s3:GetObject", "{bucket}/p/\\*, and s3:ListBucket on"),
    "list": ("s3:ListBucket", "{bucket}\\."),
    "delete": ("s3:DeleteObject", "{bucket}/p/\\*"),
    "give up uploads": ("s3:ListBucketMultipartUploads", "{bucket}\\."),
}


@pytest.fixture(scope="module")
def new_bucket(seaweed: Seaweed) -> str:
    seaweed.create_bucket("policed")
    return "policed"


@pytest.fixture
def policed_bucket(s3_store: S3Store, new_bucket: str) -> Iterator[str]:
    """A bucket that loses its policy when the test ends."""
    yield new_bucket
    s3().delete_bucket_policy(Bucket=new_bucket)


@pytest.mark.parametrize(("verb", "action", "resource"), [(verb, *denied) for verb, denied in DENIED.items()])
def test_what_is_not_permitted_names_what_to_grant(policed_bucket: str, verb: str, action: str, resource: str) -> None:
    everything = [f"arn:aws:s3:::{policed_bucket}", f"arn:aws:s3:::{policed_bucket}/*"]
    denied = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": everything}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    store = S3Store(policed_bucket, "p")
    store.put_if_absent("a", b"")
    s3().put_bucket_policy(Bucket=policed_bucket, Policy=policy)
    granted = f"Grant {action} on arn:aws:s3:::{resource.format(bucket=policed_bucket)}"
    with pytest.raises(StoreRefused, match=rf"with (AccessDenied|403) .*{granted}"):
        VERBS[verb](store)


def test_stores_below_two_prefixes_do_not_meet(s3_store: S3Store) -> None:
    inner, other = open_store(f"{s3_store.url}/inner"), open_store(f"{s3_store.url}/inner2/")
    assert inner.put_if_absent("a", b"one")
    assert other.put_if_absent("a", b"two")
    assert keys_of(s3_store) == ["inner/a", "inner2/a"]
    assert [found.key for found in inner.list("")] == ["a"]


def test_a_key_that_is_too_long_with_its_prefix_is_refused() -> None:
    store = S3Store("bucket", "p" * 100)
    with pytest.raises(InvalidName, match=r"with the prefix 'ppp.*Choose a shorter name, or a shorter prefix"):
        store.get("a/" * 480 + "a")


def test_where_the_probe_writes_is_no_place_for_objects(s3_store: S3Store) -> None:
    with pytest.raises(InvalidName, match=r"'.moorage-probe' is where the store probes"):
        s3_store.put_if_absent(".moorage-probe/a", b"")


def test_what_a_file_gains_while_it_is_read_is_sent_too(s3_store: S3Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one")
    with Growing(tmp_path / "file") as file:
        assert s3_store.put_if_absent("a", cast("Any", file))
    assert s3_store.get("a") == b"one and more"


def test_of_32_forked_processes_exactly_one_wins(s3_store: S3Store) -> None:
    command = [sys.executable, "-c", FORKED_RACE, s3_store.url]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout == "1 True\n"


def test_the_first_verb_connects_and_nothing_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    store = open_store("s3://bucket/some/prefix/")
    assert store.url == pickle.loads(pickle.dumps(store)).url == "s3://bucket/some/prefix"  # noqa: S301 - our own


def test_importing_the_stores_does_not_import_boto3() -> None:
    code = "import sys, moorage.store, moorage.store.log; print([m for m in sys.modules if m.startswith('boto')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_without_boto3_the_way_out_is_named() -> None:
    code = "import sys; sys.modules['botocore'] = None; from moorage.store import open_store; open_store('s3://bucket')"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Install it: pip install 'moorage[s3]'" in told.stderr
