"""What must hold of aliases over every store, a real S3 server among them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from moorage.errors import NotFound
from moorage.predictor import ModelSource
from moorage.registry.reference_log import ReferenceLog
from moorage.registry.registry import Registry
from moorage.store import open_store
from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore
from moorage.store.s3 import S3Store

MakeSource = Callable[..., ModelSource]

MOVER = """
import sys
from moorage.registry.registry import Registry
from moorage.store import open_store
references = Registry(open_store(sys.argv[1]), "demo").references("iris")
sys.stdin.readline()
for _ in range(20):
    entry = references.move_aliases({"champion": int(sys.argv[2])}, actor=sys.argv[2])
    print(entry.seq if entry else "")
"""


class Rivalled:
    """A store in which somebody else does something just before the first entry is written; `rival` says what."""

    rival: Callable[[], object] | None = None

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if "/r/" in key and self.rival is not None:
            rival, self.rival = self.rival, None
            rival()
        return super().put_if_absent(key, body)  # type: ignore[misc, no-any-return]


class RivalledDirectory(Rivalled, DirectoryStore): ...


class RivalledS3(Rivalled, S3Store): ...


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, root: Path) -> ObjectStore:
    found: ObjectStore = DirectoryStore(root) if request.param == "directory" else request.getfixturevalue("s3_store")
    return found


@pytest.fixture
def references(registry: Registry, make_source: MakeSource) -> ReferenceLog:
    """Of a model with the versions 1 and 2."""
    for number in range(2):
        registry.publish("iris", make_source({"a": str(number)}))
    return registry.references("iris")


@pytest.fixture
def rivalled(store: ObjectStore) -> RivalledDirectory | RivalledS3:
    """The same store, for somebody who has a rival."""
    if isinstance(store, DirectoryStore):
        return RivalledDirectory(store.root)
    bucket, _, prefix = store.url.removeprefix("s3://").partition("/")
    return RivalledS3(bucket, prefix)


@pytest.mark.parametrize("version", [0, 3])
def test_an_alias_of_a_version_that_does_not_exist_is_refused_and_nothing_is_written(
    store: ObjectStore, references: ReferenceLog, version: int
) -> None:
    before = list(store.list(""))
    with pytest.raises(NotFound, match=f"'iris' has no version {version}"):
        references.move_aliases({"champion": 1, "challenger": version})
    assert list(store.list("")) == before


def test_two_movers_of_one_alias_are_both_in_the_history_one_after_the_other(
    references: ReferenceLog, rivalled: RivalledDirectory | RivalledS3
) -> None:
    rivalled.rival = lambda: references.move_aliases({"champion": 1}, actor="bob", reason="steady")
    Registry(rivalled, "demo").references("iris").move_aliases({"champion": 2}, actor="ann", reason="newer")
    told = [(entry.seq, entry.actor, entry.reason, entry.state.aliases["champion"]) for entry in references.history()]
    assert told == [(1, "bob", "steady", 1), (2, "ann", "newer", 2)]


def test_two_processes_that_move_one_alias_are_each_told_the_entries_that_are_theirs(
    store: ObjectStore, references: ReferenceLog
) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    commands = [[sys.executable, "-c", MOVER, store.url, actor] for actor in ("1", "2")]
    movers = [subprocess.Popen(command, **pipes) for command in commands]  # type: ignore[call-overload]
    for mover in movers:
        mover.stdin.write("go\n")
        mover.stdin.flush()
    told = [list(map(int, mover.communicate()[0].split())) for mover in movers]
    history = Registry(open_store(store.url), "demo").references("iris").history()
    assert [[entry.seq for entry in history if entry.actor == actor] for actor in ("1", "2")] == told
    assert [entry.state.aliases["champion"] for entry in history] == [int(entry.actor) for entry in history]
    assert len(history) > 1
