"""Odd keys in a store in S3, and lists in byte order whatever the server's own order."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import islice

import boto3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage.store.base import ObjectInfo
from moorage.store.s3 import S3Store
from moorage.store.s3_listing import in_byte_order
from tests.conftest import BUCKET


def keys_of(store: S3Store, prefix: str = "", limit: int | None = None) -> list[str]:
    return [found.key for found in store.list(prefix, limit=limit)]


KEYS = [
    *("a b", " lead", "trail ", "a+b", "a%20b", "a%b", "%", "&<>'\"", "q?r#s", "$d,;:=@~*()!", "é", "e\u0301", "日本"),
    *(
        ".hidden/.x",
        "...",
        "tab\there",
        "line\nbreak",
        "c\x01d",
        "x" * 255,
        "deep/" * 150 + "end",
        "\U0001f6a2",
        "\uffff",
    ),
]


def test_odd_keys_are_kept_apart_and_listed_as_they_are(s3_store: S3Store) -> None:
    for key in KEYS:
        assert s3_store.put_if_absent(key, key.encode())
    assert {key: s3_store.get(key) for key in KEYS} == {key: key.encode() for key in KEYS}
    assert keys_of(s3_store) == sorted(KEYS, key=str.encode)
    for key in KEYS:
        assert keys_of(s3_store, key, limit=1) == [key]
        s3_store.delete(key)
    assert keys_of(s3_store) == []


PARTS = st.text(st.sampled_from("ab-./0 +é\uffff"), min_size=1, max_size=6)


def is_plain(key: str) -> bool:
    return not any(part in ("", ".", "..") for part in key.split("/"))


def by_folder(key: str) -> list[bytes]:
    return [part.encode() for part in key.split("/")]


@given(keys=st.sets(PARTS.filter(is_plain), max_size=30), folder=st.sampled_from(["", "f/", "f/é/"]))
def test_what_a_server_lists_by_folder_comes_out_by_byte(keys: set[str], folder: str) -> None:
    listed = [ObjectInfo(folder + key, 0, 0) for key in sorted(keys, key=by_folder)]
    expected = sorted(listed, key=lambda info: info.key.encode())
    assert list(in_byte_order(listed, folder=folder)) == expected
    assert list(in_byte_order(expected, folder=folder)) == expected


def test_numbers_in_one_folder_are_passed_on_as_they_come() -> None:
    def found() -> Iterator[ObjectInfo]:
        yield ObjectInfo("v/1", 0, 0)
        raise AssertionError("one was asked for")

    assert next(in_byte_order(found(), folder="v/")).key == "v/1"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.sets(PARTS.filter(is_plain), min_size=1, max_size=8), limit=st.integers(1, 5))
def test_the_beginning_of_a_list_is_right_in_the_server_s_own_order(
    s3_store: S3Store, keys: set[str], limit: int
) -> None:
    fresh = S3Store(BUCKET, secrets.token_hex(8))
    kept = {key for key in keys if not any(other.startswith(f"{key}/") for other in keys)}
    for key in kept:
        fresh.put_if_absent(key, b"")
    assert keys_of(fresh, limit=limit) == sorted(kept, key=str.encode)[:limit]


def test_a_list_goes_on_over_many_pages(s3_store: S3Store) -> None:
    keys = [f"n/{number:04}" for number in range(1001)]
    for key in keys:
        s3_store.put_if_absent(key, b"")
    assert keys_of(s3_store, "n/") == keys
    assert [found.key for found in islice(s3_store.list("n/", limit=2), 5)] == keys[:2]


def test_the_folders_that_a_console_makes_are_not_listed(s3_store: S3Store) -> None:
    prefix = s3_store.url.removeprefix(f"s3://{BUCKET}/")
    boto3.session.Session().client("s3").put_object(Bucket=BUCKET, Key=f"{prefix}/folder/", Body=b"")
    s3_store.put_if_absent("folder/a", b"")
    assert keys_of(s3_store) == ["folder/a"]
