from __future__ import annotations

import errno
import io
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from moorage.errors import InvalidName, MoorageError, StoreRefused, StoreUnavailable
from moorage.store import open_store
from moorage.store.directory import DirectoryStore
from moorage.store.disk import disk_error
from moorage.store.folders import open_folder
from moorage.store.staging import ABANDONED_AFTER_S, STAGE, prove_hard_links

VERBS: dict[str, Callable[[DirectoryStore, str], Any]] = {
    "put": lambda store, key: store.put_if_absent(key, b"x"),
    "get": lambda store, key: store.get(key),
    "head": lambda store, key: store.head(key),
    "list": lambda store, key: list(store.list(key)),
    "delete": lambda store, key: store.delete(key),
}

# Begins to put an object, and stops in the middle of it until it is killed.
STALLED_WRITER = """
import sys, time
from moorage.store import open_store
class Stalled:
    def read(self, size):
        if self.chunks:
            return self.chunks.pop()
        print("half way", flush=True)
        time.sleep(600)
    chunks = [b"x" * 1000]
open_store(sys.argv[1]).put_if_absent("a/b", Stalled())
"""

LIMITED_WRITER = """
import resource, sys
from moorage.errors import StoreRefused
from moorage.store import open_store
store = open_store(sys.argv[1])
store.put_if_absent("small", b"x")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.put_if_absent("large", b"x" * 200_000)
except StoreRefused as error:
    print(error)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount file systems can fill one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def staged(root: Path) -> list[str]:
    return os.listdir(root / STAGE)


def test_the_root_is_made_by_the_first_write_for_its_owner_only(root: Path) -> None:
    store = DirectoryStore(root)
    assert (list(store.list("")), store.head("a"), root.exists()) == ([], None, False)
    store.put_if_absent("a", b"")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_a_root_with_odd_letters_opens_again_by_its_url(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "a b#c?d%20é")
    store.put_if_absent("a", b"one")
    assert store.url.startswith("file:///")
    assert open_store(store.url).get("a") == b"one"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("/srv/models", "Write 'file:///srv/models'"),
        ("", "no store URL"),
        ("s3://", "'' is no name of a bucket"),
        ("s3://a b/c", "'a b' is no name of a bucket"),
        ("s3://bucket//c", "cannot be stored: a part of it is empty"),
        ("https://example.org/", "Supported are: file:///absolute/path and s3://bucket/prefix"),
        ("file://models", "three slashes"),
        ("file:///a%00b", "NUL"),
    ],
)
def test_a_url_that_names_no_store_is_refused_with_the_way_out(url: str, message: str) -> None:
    with pytest.raises(InvalidName, match=message):
        open_store(url)


@pytest.mark.parametrize(("first", "second"), [("x", "x/y"), ("x/y", "x"), ("x", "x/y/z")])
def test_a_key_is_never_a_folder_of_another(root: Path, first: str, second: str) -> None:
    store = DirectoryStore(root)
    store.put_if_absent(first, b"")
    with pytest.raises(InvalidName, match="With 'x' there is no 'x/y'"):
        store.put_if_absent(second, b"")
    assert [found.key for found in store.list("")] == [first]


@pytest.mark.parametrize("verb", VERBS)
def test_no_link_in_a_key_is_followed(root: Path, tmp_path: Path, verb: str) -> None:
    store = DirectoryStore(root)
    store.put_if_absent("a/real", b"")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("keep out")
    (root / "a" / "link").symlink_to(outside)
    with pytest.raises(InvalidName, match="'link' in the store is a symbolic link"):
        VERBS[verb](store, "a/link/secret")
    assert [path.read_text() for path in outside.iterdir()] == ["keep out"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("points_to", ["a/real", "nowhere"])
def test_no_link_is_an_object(root: Path, verb: str, points_to: str) -> None:
    store = DirectoryStore(root)
    store.put_if_absent("a/real", b"")
    (root / "a" / "link").symlink_to(root / points_to)
    with pytest.raises(InvalidName, match="'link' in the store is a symbolic link"):
        VERBS[verb](store, "a/link")


def test_a_short_list_looks_at_what_it_shows_only(root: Path) -> None:
    store = DirectoryStore(root)
    for key in ("a/b/c", "a/b-", "a/c"):
        store.put_if_absent(key, b"")
    (root / "a" / "link").symlink_to(root)
    assert [found.key for found in store.list("a/", limit=3)] == ["a/b-", "a/b/c", "a/c"]
    with pytest.raises(InvalidName, match="'link' in the store is a symbolic link"):
        list(store.list("a/", limit=4))


def test_the_stage_is_neither_listed_nor_written(root: Path) -> None:
    store = DirectoryStore(root)
    store.put_if_absent("a", b"")
    (root / STAGE / "left over").write_bytes(b"")
    assert [found.key for found in store.list("")] == ["a"]
    assert list(store.list(".")) == []
    for key in (STAGE, f"{STAGE}/x", STAGE.upper()):
        with pytest.raises(InvalidName, match="where the store stages"):
            store.put_if_absent(key, b"")


def test_nothing_stays_staged_whether_a_put_wins_or_loses(root: Path) -> None:
    store = DirectoryStore(root)
    store.put_if_absent("a", b"one")
    store.put_if_absent("a", b"two")
    with pytest.raises(InvalidName, match="With 'x'"):
        store.put_if_absent("a/b", b"three")
    assert staged(root) == []


def test_a_delete_takes_empty_folders_along_but_never_the_root(root: Path) -> None:
    store = DirectoryStore(root)
    for key in ("a/b/c/d", "a/x"):
        store.put_if_absent(key, b"")
    store.delete("a/b/c/d")
    assert sorted(os.listdir(root / "a")) == ["x"]
    store.delete("a/x")
    assert os.listdir(root) == [STAGE]


def test_other_things_than_files_are_no_objects(root: Path) -> None:
    store = DirectoryStore(root)
    store.put_if_absent("a", b"")
    os.mkfifo(root / "pipe")
    assert [found.key for found in store.list("")] == ["a"]
    assert store.head("pipe") is None


def test_a_killed_writer_leaves_no_object_and_its_stage_is_swept_a_day_later(root: Path) -> None:
    store = DirectoryStore(root)
    command = [sys.executable, "-c", STALLED_WRITER, store.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half way\n"
        writer.send_signal(signal.SIGKILL)
    assert (store.head("a/b"), list(store.list(""))) == (None, [])
    (left,) = staged(root)
    store.put_if_absent("young", b"")
    assert staged(root) == [left]
    a_day_ago = time.time() - ABANDONED_AFTER_S - 1
    os.utime(root / STAGE / left, (a_day_ago, a_day_ago))
    DirectoryStore(root).put_if_absent("old", b"")
    assert staged(root) == []


def test_a_full_disk_is_named_with_its_free_space_and_holds_nothing_partial(small_disk: Path) -> None:
    store = DirectoryStore(small_disk / "store")
    with pytest.raises(StoreRefused, match=rf"(?s)'big'.*disk full.*MB are free at {small_disk}"):
        store.put_if_absent("big", io.BytesIO(b"x" * 2_000_000))
    assert (store.head("big"), staged(small_disk / "store")) == (None, [])
    assert store.put_if_absent("small", b"x" * 1000)


def test_a_read_only_disk_still_reads(small_disk: Path) -> None:
    store = DirectoryStore(small_disk / "store")
    store.put_if_absent("a", b"one")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreRefused, match="mounted read-only"):
        store.put_if_absent("b", b"two")
    assert store.get("a") == b"one"


def test_a_limit_on_file_sizes_is_named_and_leaves_nothing(root: Path) -> None:
    assert resource.RLIMIT_FSIZE is not None
    url = DirectoryStore(root).url
    told = subprocess.run([sys.executable, "-c", LIMITED_WRITER, url], capture_output=True, text=True, check=True)
    assert "'large' was not written: it is larger than a file" in told.stdout
    assert (os.listdir(root / STAGE), sorted(os.listdir(root))) == ([], [STAGE, "small"])


def test_a_file_where_the_root_should_be_is_refused(root: Path) -> None:
    root.write_text("")
    with pytest.raises(StoreRefused, match="A folder was expected"):
        DirectoryStore(root).put_if_absent("a", b"")


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (errno.ENOSPC, StoreRefused, "disk full"),
        (errno.EDQUOT, StoreRefused, "disk full"),
        (errno.EROFS, StoreRefused, "read-only"),
        (errno.EACCES, StoreRefused, "permission denied at /srv"),
        (errno.EPERM, StoreRefused, "not permitted at /srv"),
        (errno.ENAMETOOLONG, InvalidName, "Choose another name"),
        (errno.EIO, StoreUnavailable, "Look at the disk"),
    ],
    ids=lambda value: errno.errorcode.get(value) if isinstance(value, int) else "",
)
def test_what_the_system_says_of_a_disk_tells_who_acts(number: int, kind: type[Exception], message: str) -> None:
    error = disk_error("Object 'a' was not written", Path("/srv"), OSError(number, os.strerror(number)))
    assert isinstance(error, kind)
    assert message in str(error)
    assert str(error).startswith("Object 'a' was not written")


def lacks_links(*args: object, **kwargs: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def overwrites(*args: object, **kwargs: object) -> None:
    return None


@pytest.mark.parametrize(
    ("link", "message"), [(lacks_links, "has no hard links"), (overwrites, "lets one hard link overwrite another")]
)
def test_a_file_system_without_real_hard_links_is_refused(
    tmp_path: Path, link: Callable[..., Any], message: str
) -> None:
    with open_folder(tmp_path, ()) as stage, pytest.raises(StoreRefused, match=f"{message}.*(?s:.*)ext4, xfs"):
        prove_hard_links(stage, tmp_path, link=link)
    assert os.listdir(tmp_path) == []


def test_no_descriptor_stays_open(root: Path) -> None:
    store = DirectoryStore(root)
    store.put_if_absent("a/b/c", b"x")
    before = len(os.listdir("/dev/fd"))
    for key in ("a/b/c", "a/b", "a/b/c/d", "x/y"):
        for verb in VERBS.values():
            with suppress(MoorageError):
                verb(store, key)
    next(store.list(""), None)
    assert len(os.listdir("/dev/fd")) == before
