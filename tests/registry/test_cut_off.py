"""What a publish that was cut off has left: used when its process is gone, and left alone while it may live."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moorage.registry.access import Access, Manner
from moorage.registry.claims import claim_of_this_process
from moorage.registry.keys import Keys
from moorage.registry.manifests import state_of
from moorage.registry.record import ManifestState, Published
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from moorage.store.records import put_record, utc_now
from moorage.store.s3 import S3Store
from tests.registry.checked import check_whole, publish
from tests.registry.watched import Watched, watched

KEYS = Keys("demo")
SIZE = 3000
LOOKING = Manner(worth_looking=0)
TAKING_ALL_FOR_GONE = Manner(worth_looking=0, is_gone=lambda _: True)

# Publishes, one file after the other, and is killed by itself before its nth file.
KILLED = """
import sys
from moorage.registry.access import Manner
from moorage.store import open_store
from tests.registry.checked import publish
from tests.registry.watched import die, watched
store = watched(open_store(sys.argv[1]))
store.before("put /Files/", die, time=int(sys.argv[3]))
publish(store, sys.argv[2], manner=Manner(worth_looking=0, threads=1))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of six files of one size."""
    (tmp_path / "trained").mkdir()
    for name in "abcdef":
        (tmp_path / "trained" / name).write_bytes(os.urandom(SIZE))
    return tmp_path / "trained"


def kill(store: ObjectStore, folder: Path, *, before_file: int) -> None:
    command = [sys.executable, "-c", KILLED, store.url, str(folder), str(before_file)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


def leave(store: ObjectStore, folder: Path, claim: dict[str, Any]) -> None:
    """What a publisher of number 1 has in the store that has sent three files."""
    put_record(store, KEYS.claim("iris", 1), claim)
    for name in "abc":
        store.put_if_absent(KEYS.model_files("iris", 1) + name, (folder / name).read_bytes())


def state(store: ObjectStore, version: int) -> ManifestState | None:
    return state_of(Access(store, KEYS), "iris", version)


def files_below(store: ObjectStore, prefix: str) -> set[str]:
    return {found.key.removeprefix(prefix) for found in store.list(prefix)}


def test_what_a_killed_publish_has_sent_is_not_sent_again(
    each_store: ObjectStore, folder: Path, tmp_path: Path
) -> None:
    kill(each_store, folder, before_file=4)
    published = publish(each_store, folder, manner=LOOKING)
    assert published == Published(published.model, reused=False, sent=3 * SIZE, copied=3 * SIZE)
    assert (published.model.version, state(each_store, 1)) == (2, ManifestState.ABORTED)
    check_whole(each_store, published.model, folder, tmp_path / "down")


def test_after_a_killed_publish_garbage_collection_leaves_just_the_versions_files(
    each_store: ObjectStore, folder: Path, tmp_path: Path
) -> None:
    kill(each_store, folder, before_file=4)
    published = publish(each_store, folder, manner=LOOKING)
    Registry(each_store, "demo").collect_garbage()
    assert files_below(each_store, "Projects/demo/Models/iris/") == {f"2/Files/{name}" for name in "abcdef"}
    check_whole(each_store, published.model, folder, tmp_path / "down")


def test_what_two_killed_publishes_have_sent_is_not_sent_again(each_store: ObjectStore, folder: Path) -> None:
    kill(each_store, folder, before_file=3)
    kill(each_store, folder, before_file=3)
    published = publish(each_store, folder, manner=LOOKING)
    assert (published.model.version, published.sent, published.copied) == (3, 2 * SIZE, 4 * SIZE)


def test_a_renamed_file_of_a_killed_publish_is_found_by_its_content(each_store: ObjectStore, folder: Path) -> None:
    kill(each_store, folder, before_file=4)
    (folder / "a").rename(folder / "z")
    assert publish(each_store, folder, manner=LOOKING).sent == 3 * SIZE


def test_what_was_left_with_the_same_size_and_other_content_is_not_taken(
    each_store: ObjectStore, folder: Path, tmp_path: Path
) -> None:
    kill(each_store, folder, before_file=4)
    (folder / "a").write_bytes(os.urandom(SIZE))
    published = publish(each_store, folder, manner=LOOKING)
    assert (published.sent, published.copied) == (4 * SIZE, 2 * SIZE)
    check_whole(each_store, published.model, folder, tmp_path / "down")


@pytest.mark.parametrize("moment", ["compare /Files/b", "copy /Files/b"])
def test_what_is_collected_meanwhile_is_sent(watched_store: Watched, folder: Path, tmp_path: Path, moment: str) -> None:
    leave(watched_store, folder, claim_of_this_process("", "", utc_now).to_json())
    rival = Registry(watched_store, "demo")
    watched_store.before(moment, lambda: rival.collect_garbage("iris"))
    manner = Manner(worth_looking=0, is_gone=lambda _: True, threads=1)
    published = publish(watched_store, folder, manner=manner)
    assert published.sent >= 3 * SIZE
    assert published.sent + published.copied == 6 * SIZE
    check_whole(watched_store, published.model, folder, tmp_path / "down")


def test_what_is_replaced_between_a_look_and_the_copy_is_sent(s3_store: S3Store, folder: Path, tmp_path: Path) -> None:
    leave(s3_store, folder, of_a_dead_process())
    store = watched(s3_store)
    left = KEYS.model_files("iris", 1) + "b"

    def replace() -> None:
        s3_store.delete(left)
        s3_store.put_if_absent(left, os.urandom(SIZE))

    store.before(f"copy {left}", replace)
    published = publish(store, folder, manner=LOOKING)
    assert (published.sent, published.copied) == (4 * SIZE, 2 * SIZE)
    check_whole(store, published.model, folder, tmp_path / "down")


def of_a_dead_process() -> dict[str, Any]:
    return {**living(), "pid": 2**22 + 1}


def living() -> dict[str, Any]:
    return claim_of_this_process("", "", utc_now).to_json()


def of_another_host() -> dict[str, Any]:
    return {**living(), "host": "elsewhere", "pid": 2**22 + 1}


def of_an_older_moorage() -> dict[str, Any]:
    return {"owner": "", "host": socket.gethostname(), "claimed_at": "2025-03-09T08:07:06.000Z", "lease_s": 86400}


def unreadable() -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("claim", [living, of_another_host, of_an_older_moorage, unreadable])
def test_a_publisher_that_may_live_is_left_alone(each_store: ObjectStore, folder: Path, claim: Any) -> None:
    leave(each_store, folder, claim())
    published = publish(each_store, folder, manner=LOOKING)
    assert (published.model.version, published.sent, published.copied) == (2, 6 * SIZE, 0)
    assert state(each_store, 1) is None
    assert files_below(each_store, KEYS.model_files("iris", 1)) == set("abc")


@pytest.mark.parametrize("change", [{"pid": 2**22 + 1}, {"born": 1e9}, {"boot": "another"}], ids=str)
def test_of_this_machine_it_is_known_who_is_gone(each_store: ObjectStore, folder: Path, change: dict[str, Any]) -> None:
    leave(each_store, folder, {**living(), **change})
    assert publish(each_store, folder, manner=LOOKING).copied == 3 * SIZE
    assert state(each_store, 1) is ManifestState.ABORTED


def test_another_try_with_the_same_key_is_given_up_wherever_it_runs(each_store: ObjectStore, folder: Path) -> None:
    claim = claim_of_this_process("", KEYS.idempotency("iris", "run 7").split("/")[-2], utc_now).to_json()
    leave(each_store, folder, {**claim, "host": "elsewhere"})
    published = publish(each_store, folder, manner=LOOKING, key="run 7")
    assert (published.sent, published.copied, state(each_store, 1)) == (3 * SIZE, 3 * SIZE, ManifestState.ABORTED)


def test_a_try_with_another_key_is_not_given_up(each_store: ObjectStore, folder: Path) -> None:
    leave(each_store, folder, {**of_another_host(), "idempotency": "0" * 64})
    assert publish(each_store, folder, manner=LOOKING, key="run 7").sent == 6 * SIZE
    assert state(each_store, 1) is None


def rivals(store: ObjectStore, folder: Path) -> Iterator[Published]:
    """Publishers that take everybody else for gone."""
    while True:
        yield publish(store, folder, manner=TAKING_ALL_FOR_GONE, description="of a rival")


@pytest.mark.parametrize("moment", ["put /Files/d", "list Models/iris/1/Files/", "put manifest.json"])
def test_who_was_given_up_and_wakes_up_cannot_commit_and_takes_another_number(
    watched_store: Watched, each_store: ObjectStore, folder: Path, tmp_path: Path, moment: str
) -> None:
    told: list[Published] = []
    watched_store.before(moment, lambda: told.append(next(rivals(each_store, folder))))
    published = publish(watched_store, folder)
    assert ([rival.model.version for rival in told], published.model.version) == ([2], 3)
    assert told[0].copied >= 3 * SIZE
    assert [found.version for found in Registry(each_store, "demo").versions("iris")] == [3, 2]
    for each in (*told, published):
        check_whole(each_store, each.model, folder, tmp_path / f"down-{each.model.version}")
    Registry(each_store, "demo").collect_garbage()
    assert files_below(each_store, KEYS.version_files("iris", 1)) == set()
