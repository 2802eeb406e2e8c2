"""What stores can do with objects that they hold already: copy them, tell them, finish what was begun."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import boto3
import pytest

from moorage.errors import InvalidName, NotFound
from moorage.store.base import CopiesObjects, FinishedUpload, KeepsUnfinishedUploads, ObjectStore
from moorage.store.directory import DirectoryStore
from moorage.store.s3 import S3Store
from moorage.store.s3_parts import PART_BYTES
from tests.conftest import BUCKET
from tests.store.faulty_proxy import FaultyProxy, answering, doing_first

LARGE = os.urandom(2 * PART_BYTES + 5)


def copying(store: ObjectStore) -> CopiesObjects:
    assert isinstance(store, CopiesObjects)
    return store


@pytest.mark.parametrize("content", [b"", b"one", LARGE], ids=["empty", "small", "large"])
def test_an_object_is_copied_without_being_sent(store: ObjectStore, content: bytes) -> None:
    store.put_if_absent("a b/ü+%", content)
    assert copying(store).copy_if_absent("a b/ü+%", "deep/er/copy")
    assert store.get("deep/er/copy") == store.get("a b/ü+%") == content


def test_a_copy_of_what_was_put_by_hand_does_not_change_with_it(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put_if_absent("b", b"")
    (tmp_path / "store" / "a").write_bytes(b"one")
    assert store.copy_if_absent("a", "c", is_put_by_hand=True)
    assert not store.copy_if_absent("a", "b", is_put_by_hand=True)
    (tmp_path / "store" / "a").write_bytes(b"two")
    assert (store.get("c"), store.get("b")) == (b"one", b"")
    with pytest.raises(NotFound, match="There is no object 'nothing'"):
        store.copy_if_absent("nothing", "d", is_put_by_hand=True)


def test_a_copy_keeps_what_is_there(store: ObjectStore) -> None:
    store.put_if_absent("a", b"one")
    store.put_if_absent("b", b"two")
    assert not copying(store).copy_if_absent("a", "b")
    assert store.get("b") == b"two"


def test_what_is_not_there_cannot_be_copied(store: ObjectStore) -> None:
    with pytest.raises(NotFound, match="There is no object 'nothing'"):
        copying(store).copy_if_absent("nothing", "b")
    assert store.head("b") is None


def test_a_copy_outlives_what_it_was_made_from(store: ObjectStore) -> None:
    store.put_if_absent("a", b"one")
    copying(store).copy_if_absent("a", "b")
    store.delete("a")
    assert store.get("b") == b"one"


@pytest.mark.parametrize("size", [0, 3, PART_BYTES - 1, PART_BYTES, 2 * PART_BYTES + 5])
def test_an_object_is_told_from_a_file_of_its_size(store: ObjectStore, tmp_path: Path, size: int) -> None:
    content = LARGE[:size]
    store.put_if_absent("a", io.BytesIO(content))
    (info,) = store.list("a")
    (tmp_path / "same").write_bytes(content)
    assert copying(store).is_content_of(info, tmp_path / "same")
    if size:
        (tmp_path / "other").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert not copying(store).is_content_of(info, tmp_path / "other")


def test_what_is_too_large_for_one_request_is_copied_in_parts(s3_store: S3Store, proxy: FaultyProxy) -> None:
    s3_store.put_if_absent("a", LARGE)
    s3_store.largest_copy = PART_BYTES
    assert s3_store.copy_if_absent("a", "b")
    assert not s3_store.copy_if_absent("a", "b")
    assert (s3_store.get("b"), left(s3_store)) == (LARGE, [])


@pytest.mark.parametrize("largest", [5 << 30, 1], ids=["at once", "in parts"])
@pytest.mark.parametrize("is_seen", [True, False], ids=["before", "meanwhile"])
def test_what_was_replaced_by_other_content_is_not_copied(
    s3_store: S3Store, proxy: FaultyProxy, largest: int, is_seen: bool
) -> None:
    s3_store.put_if_absent("a", b"one")
    (info,) = s3_store.list("a")
    s3_store.largest_copy = largest

    def replace() -> None:
        s3_store.delete("a")
        s3_store.put_if_absent("a", b"two")

    if is_seen:
        replace()
    else:
        proxy.fail("PUT /b", doing_first(replace))
    with pytest.raises(NotFound, match="There is no object 'a'"):
        s3_store.copy_if_absent("a", "b", tag=info.tag)
    assert (s3_store.head("b"), left(s3_store)) == (None, [])


def test_what_has_the_tag_is_copied_unless_the_key_exists(s3_store: S3Store) -> None:
    s3_store.put_if_absent("a", b"one")
    (info,) = s3_store.list("a")
    assert s3_store.copy_if_absent("a", "b", tag=info.tag)
    assert not s3_store.copy_if_absent("a", "b", tag=info.tag)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put_if_absent("b", b"")
    (tmp_path / "store" / "a").symlink_to(tmp_path)
    with pytest.raises(InvalidName, match="symbolic link"):
        store.copy_if_absent("a", "c")


def test_an_upload_that_was_cut_off_is_gone_on_with(s3_store: S3Store, proxy: FaultyProxy) -> None:
    begin(s3_store, "large", {1: LARGE[:PART_BYTES]})
    proxy.seen.clear()
    finished = s3_store.finish_upload("large", io.BytesIO(LARGE))
    (info,) = s3_store.list("large")
    assert finished == FinishedUpload(PART_BYTES, info.tag)
    assert (proxy.count("PUT partNumber"), s3_store.get("large"), left(s3_store)) == (2, LARGE, [])


def test_parts_of_other_content_are_sent_anew(s3_store: S3Store) -> None:
    begin(s3_store, "large", {1: bytes(PART_BYTES), 2: LARGE[PART_BYTES : 2 * PART_BYTES]})
    finished = s3_store.finish_upload("large", io.BytesIO(LARGE))
    (info,) = s3_store.list("large")
    assert finished == FinishedUpload(PART_BYTES, info.tag)
    assert s3_store.get("large") == LARGE


def test_where_nothing_was_begun_there_is_nothing_to_go_on_with(s3_store: S3Store) -> None:
    begin(s3_store, "large-2", {1: LARGE[:PART_BYTES]})
    assert s3_store.finish_upload("large", io.BytesIO(LARGE)) is None
    assert s3_store.head("large") is None


def test_what_was_cut_into_other_parts_is_not_gone_on_with(s3_store: S3Store) -> None:
    begin(s3_store, "large", {1: LARGE[: 6 << 20], 2: LARGE[6 << 20 : 12 << 20]})
    assert s3_store.finish_upload("large", io.BytesIO(LARGE)) is None
    assert s3_store.head("large") is None


def test_an_upload_that_somebody_else_ended_meanwhile_is_not_finished(s3_store: S3Store, proxy: FaultyProxy) -> None:
    begin(s3_store, "large", {1: LARGE[:PART_BYTES]})
    proxy.fail("POST uploadId=", answering(404, "NoSuchUpload"))
    assert s3_store.finish_upload("large", io.BytesIO(LARGE)) is None


def test_unfinished_uploads_below_a_prefix_are_given_up(s3_store: S3Store) -> None:
    assert isinstance(s3_store, KeepsUnfinishedUploads)
    for key in ("v/1/a", "v/1/b", "v/10/a"):
        begin(s3_store, key, {1: LARGE[:PART_BYTES]})
    s3_store.abort_uploads("v/1/")
    s3_store.abort_uploads("v/1/")
    assert [key.rpartition("/v/")[2] for key in left(s3_store)] == ["10/a"]


def begin(store: S3Store, key: str, parts: dict[int, bytes]) -> None:
    """Leaves an upload as a killed process does."""
    client: Any = boto3.session.Session().client("s3")
    target = {"Bucket": BUCKET, "Key": f"{prefix_of(store)}/{key}"}
    upload_id = client.create_multipart_upload(**target)["UploadId"]
    for number, content in parts.items():
        client.upload_part(**target, UploadId=upload_id, PartNumber=number, Body=content)


def left(store: S3Store) -> list[str]:
    client: Any = boto3.session.Session().client("s3")
    found = client.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix_of(store))
    return [upload["Key"] for upload in found.get("Uploads", [])]


def prefix_of(store: S3Store) -> str:
    return store.url.removeprefix(f"s3://{BUCKET}/")
