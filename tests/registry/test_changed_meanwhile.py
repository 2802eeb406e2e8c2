"""Whoever writes to a model while it is published is noticed, whichever way a file takes, and no version is made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from moorage.errors import CallerError
from moorage.registry.access import Manner
from moorage.registry.keys import Keys
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from moorage.store.s3 import S3Store
from moorage.store.s3_parts import PART_BYTES
from tests.registry.checked import publish
from tests.registry.watched import Watched, watched
from tests.store.test_copies import begin

KEYS = Keys("demo")
ONE_BY_ONE = Manner(threads=1)
GONE = Manner(threads=1, is_gone=lambda _: True)


def replace(path: Path) -> None:
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").replace(path)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def touch(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def delete(path: Path) -> None:
    path.unlink()


CHANGES = [replace, grow, shrink, touch, delete]


@pytest.fixture(params=CHANGES)
def change(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    made: Callable[[Path], None] = request.param
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trained").mkdir()
    for name in "ab":
        (tmp_path / "trained" / name).write_text(name * 100)
    return tmp_path / "trained"


def check_refused(store: ObjectStore, folder: Path, *, manner: Manner = ONE_BY_ONE, existing: int = 0) -> None:
    """The publish is refused, names the file, and leaves nothing of its number but that it is taken."""
    with pytest.raises(CallerError, match=r"/trained/a' changed while it was published.*Wait until training"):
        publish(store, folder, manner=manner, description="new")
    registry = Registry(store, "demo")
    assert len(registry.versions("iris") if existing else registry.models()) == existing
    assert list(store.list(KEYS.version_files("iris", existing + 1))) == []


@pytest.mark.parametrize("moment", ["put Files/a", "put Files/b"], ids=["before it is sent", "after it was sent"])
def test_a_file_that_changes_when_files_are_sent(
    watched_store: Watched, folder: Path, change: Callable[[Path], None], moment: str
) -> None:
    watched_store.before(moment, lambda: change(folder / "a"))
    check_refused(watched_store, folder)


@pytest.mark.parametrize("moment", ["copy Files/a", "copy Files/b"], ids=["before it is copied", "after it was copied"])
def test_a_file_that_changes_when_files_are_copied(
    watched_store: Watched, folder: Path, change: Callable[[Path], None], moment: str
) -> None:
    publish(watched_store, folder)
    watched_store.before(moment, lambda: change(folder / "a"))
    check_refused(watched_store, folder, existing=1)


@pytest.mark.parametrize("moment", ["finish Files/a", "list Models/iris/1/Files/"], ids=["going on", "before"])
def test_a_file_that_changes_when_an_upload_is_gone_on_with(
    s3_store: S3Store, folder: Path, change: Callable[[Path], None], moment: str
) -> None:
    (folder / "a").write_bytes(bytes(PART_BYTES + 5))
    s3_store.put_if_absent(KEYS.claim("iris", 1), b'{"owner": "", "host": "", "claimed_at": "", "lease_s": 1}')
    begin(s3_store, KEYS.model_files("iris", 1) + "a", {1: bytes(PART_BYTES)})
    store = watched(s3_store)
    store.before(moment, lambda: change(folder / "a"))
    with pytest.raises(CallerError, match=r"/trained/a' changed while it was published"):
        publish(store, folder, manner=GONE)
    assert Registry(store, "demo").models() == []
    assert list(store.list(KEYS.version_files("iris", 2))) == []
