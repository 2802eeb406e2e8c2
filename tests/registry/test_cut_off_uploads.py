"""A large file that was cut off in S3: what had arrived of it is not sent again, by the one who may go on with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from moorage.registry.keys import Keys
from moorage.registry.record import Published
from moorage.registry.registry import Registry
from moorage.store.records import put_record
from moorage.store.s3 import S3Store
from moorage.store.s3_parts import PART_BYTES
from tests.conftest import BUCKET
from tests.registry.checked import check_whole, publish
from tests.store.faulty_proxy import Ask, FaultyProxy, answering
from tests.waiting import until

KEYS = Keys("demo")
PUBLISHER = "import sys; from moorage.store import open_store; from tests.registry.checked import publish; "
PUBLISHER += "publish(open_store(sys.argv[1]), sys.argv[2])"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of one file of three parts."""
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "weights").write_bytes(os.urandom(2 * PART_BYTES + 5))
    return tmp_path / "trained"


def kill_before_the_last_part(store: S3Store, proxy: FaultyProxy, folder: Path) -> None:
    """Runs a publisher that is killed when two parts have arrived, now or before, and the third is on its way."""

    def kill(*_: object) -> None:
        until(lambda: parts(store) == {1, 2}, what="the arrival of two parts")
        process.kill()
        process.wait()

    proxy.fail("PUT partNumber=3", kill)
    process = subprocess.Popen([sys.executable, "-c", PUBLISHER, store.url, str(folder)])
    assert process.wait(60) == -9


def client() -> Any:
    return boto3.session.Session().client("s3")


def uploads(store: S3Store) -> list[dict[str, Any]]:
    prefix = store.url.removeprefix(f"s3://{BUCKET}/")
    found: list[dict[str, Any]] = client().list_multipart_uploads(Bucket=BUCKET, Prefix=prefix).get("Uploads", [])
    return found


def parts(store: S3Store) -> set[int]:
    return {
        part["PartNumber"]
        for upload in uploads(store)
        for part in client().list_parts(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"]).get("Parts", [])
    }


def test_parts_that_have_arrived_are_not_sent_again(
    s3_store: S3Store, proxy: FaultyProxy, folder: Path, tmp_path: Path
) -> None:
    kill_before_the_last_part(s3_store, proxy, folder)
    proxy.seen.clear()
    published = publish(s3_store, folder)
    assert published == Published(published.model, reused=False, sent=5, copied=2 * PART_BYTES)
    assert (proxy.count("PUT partNumber"), uploads(s3_store)) == (1, [])
    check_whole(s3_store, published.model, folder, tmp_path / "down")
    Registry(s3_store, "demo").collect_garbage()
    assert [found.key for found in s3_store.list("Projects/demo/Models/")] == [KEYS.model_files("iris", 2) + "weights"]


def test_who_is_killed_while_going_on_leaves_it_all_to_the_next(
    s3_store: S3Store, proxy: FaultyProxy, folder: Path
) -> None:
    for _ in range(2):
        kill_before_the_last_part(s3_store, proxy, folder)
    proxy.seen.clear()
    published = publish(s3_store, folder)
    assert (published.model.version, published.sent, proxy.count("PUT partNumber")) == (3, 5, 1)


@pytest.mark.parametrize("heir", [0, 7])
def test_nobody_goes_on_with_an_upload_that_was_left_to_another(
    s3_store: S3Store, proxy: FaultyProxy, folder: Path, heir: int
) -> None:
    kill_before_the_last_part(s3_store, proxy, folder)
    put_record(s3_store, KEYS.manifest("iris", 1), {"state": "aborted", "reason": "as the test says", "heir": heir})
    proxy.seen.clear()
    published = publish(s3_store, folder)
    assert (published.sent, published.copied, proxy.count("PUT partNumber")) == (2 * PART_BYTES + 5, 0, 3)
    assert parts(s3_store) == {1, 2}


def test_an_upload_that_is_collected_while_it_is_gone_on_with_is_sent_anew(
    s3_store: S3Store, proxy: FaultyProxy, folder: Path, tmp_path: Path
) -> None:
    kill_before_the_last_part(s3_store, proxy, folder)

    def collect(_: FaultyProxy, ask: Ask) -> Any:
        Registry(S3Store(BUCKET, s3_store.url.removeprefix(f"s3://{BUCKET}/")), "demo").collect_garbage("iris")
        return ask()

    proxy.fail("PUT partNumber=3", collect)
    published = publish(s3_store, folder)
    assert (published.sent, published.copied, uploads(s3_store)) == (2 * PART_BYTES + 5, 0, [])
    check_whole(s3_store, published.model, folder, tmp_path / "down")


def test_without_the_right_to_find_what_was_begun_all_is_sent(
    s3_store: S3Store, proxy: FaultyProxy, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kill_before_the_last_part(s3_store, proxy, folder)
    proxy.fail("GET uploads", answering(403, "AccessDenied"))
    published = publish(s3_store, folder)
    assert (published.sent, published.copied) == (2 * PART_BYTES + 5, 0)
    assert "are sent: " in caplog.text
    assert "answered ListMultipartUploads with AccessDenied" in caplog.text


def test_a_store_that_does_not_copy_is_sent_everything(
    s3_store: S3Store, proxy: FaultyProxy, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(s3_store, folder)
    proxy.fail(f"PUT {KEYS.model_files('iris', 2)}weights", answering(501, "NotImplemented"))
    published = publish(s3_store, folder, description="another")
    assert (published.sent, published.copied) == (2 * PART_BYTES + 5, 0)
    assert "answered CopyObject with NotImplemented" in caplog.text


def test_without_the_right_to_abort_uploads_garbage_is_freed_all_the_same(
    s3_store: S3Store, proxy: FaultyProxy, caplog: pytest.LogCaptureFixture
) -> None:
    s3_store.put_if_absent(KEYS.model_files("iris", 1) + "weights", b"left")
    put_record(s3_store, KEYS.manifest("iris", 1), {"state": "aborted"})
    proxy.fail("GET uploads", answering(403, "AccessDenied"))
    collected = Registry(s3_store, "demo").collect_garbage("iris")
    assert (collected.files, list(s3_store.list("Projects/demo/Models/"))) == (1, [])
    assert "Grant s3:ListBucketMultipartUploads" in caplog.text


def test_a_file_that_went_up_in_parts_is_copied_to_the_next_version(
    s3_store: S3Store, folder: Path, tmp_path: Path
) -> None:
    publish(s3_store, folder)
    published = publish(s3_store, folder, description="another")
    assert (published.model.version, published.sent, published.copied) == (2, 0, 2 * PART_BYTES + 5)
    check_whole(s3_store, published.model, folder, tmp_path / "down")
