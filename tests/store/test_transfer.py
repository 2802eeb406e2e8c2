from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from moorage.errors import IntegrityError
from moorage.store.base import ObjectStore
from moorage.store.transfer import Fingerprint, download_file, fingerprint_of, upload_file

SIZES = [0, 1, 8 << 20, (8 << 20) + 1]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("size", SIZES)
def test_a_file_goes_up_and_comes_down_byte_for_byte(store: ObjectStore, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "up").write_bytes(content)
    assert upload_file(store, "a/b", tmp_path / "up") == Fingerprint(size, sha256(content))
    download_file(store, "a/b", tmp_path / "down", size=size, sha256=sha256(content))
    assert (tmp_path / "down").read_bytes() == content
    assert fingerprint_of(tmp_path / "down") == Fingerprint(size, sha256(content))


def test_uploading_the_same_again_will_do(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(b"one")
    assert upload_file(store, "a", tmp_path / "up") == upload_file(store, "a", tmp_path / "up")


def test_other_content_under_the_key_is_kept_and_both_digests_are_named(store: ObjectStore, tmp_path: Path) -> None:
    store.put_if_absent("a", b"one")
    (tmp_path / "up").write_bytes(b"two")
    with pytest.raises(IntegrityError, match=f"'a' is not what.*{sha256(b'one')}.*{sha256(b'two')}"):
        upload_file(store, "a", tmp_path / "up")
    assert store.get("a") == b"one"


def test_a_file_that_is_not_there_leaves_no_object(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="up"):
        upload_file(store, "a", tmp_path / "up")
    assert store.head("a") is None


@pytest.mark.parametrize("content", [b"tampered", b"", b"onetwo"])
def test_a_changed_object_is_refused_and_leaves_nothing(store: ObjectStore, tmp_path: Path, content: bytes) -> None:
    store.put_if_absent("a", content)
    with pytest.raises(IntegrityError, match=f"'a' is not.*{sha256(content)}.*{sha256(b'one')}"):
        download_file(store, "a", tmp_path / "down", size=3, sha256=sha256(b"one"))
    assert [path.name for path in tmp_path.iterdir() if path.name != "store"] == []


def test_a_missing_object_is_named(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="'a' is missing"):
        download_file(store, "a", tmp_path / "down", size=3, sha256=sha256(b"one"))
    assert list(tmp_path.iterdir()) == []
