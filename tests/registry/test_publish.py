from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from moorage.errors import CallerError, IntegrityError, InvalidName, NotFound, StoreUnavailable
from moorage.predictor import Framework, ModelSource
from moorage.registry.keys import Keys
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore
from moorage.store.records import put_record

MakeSource = Callable[..., ModelSource]
KEYS = Keys("demo")

# Publishes, and is killed by itself at its nth write.
KILLED_PUBLISHER = """
import os, signal, sys
from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore
class Killing(DirectoryStore):
    left = int(sys.argv[3])
    def put_if_absent(self, key, body):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().put_if_absent(key, body)
Registry(Killing(sys.argv[1]), "demo").publish("iris", ModelSource(path=sys.argv[2]))
"""

PUBLISHER = """
import sys
from pathlib import Path
from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.store import open_store
registry, folder = Registry(open_store(sys.argv[1]), "demo"), Path(sys.argv[2])
for number in range(10):
    (folder / "model.txt").write_text(f"{folder.name} {number}")
    print(registry.publish("iris", ModelSource(path=str(folder)), actor=folder.name).model.version)
"""


class FailingStore(DirectoryStore):
    """Fails at its nth write of a model file."""

    fails_at = 0

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if "/Files/" in key:
            self.fails_at -= 1
            if self.fails_at == 0:
                raise StoreUnavailable("The store did not answer.")
        return super().put_if_absent(key, body)


class MeddlingStore(DirectoryStore):
    """Does something just before a file is sent; `then` says what."""

    then: Callable[[], object] = staticmethod(lambda: None)

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if "/Files/" in key:
            self.then()
        return super().put_if_absent(key, body)


def objects(store: DirectoryStore) -> list[str]:
    return [found.key for found in store.list("")]


def test_a_published_model_is_found_with_all_that_was_said_of_it(registry: Registry, make_source: MakeSource) -> None:
    source = make_source(
        {"model.pkl": "weights", "sub/.hidden": "", "__pycache__/a.pyc": "x"},
        framework=Framework.SKLEARN,
        metrics={"accuracy": 0.97},
        input_example=[(5.1, 3.5)],
        description="Flowers",
    )
    model = registry.publish("iris", source, actor="ann").model
    assert (model.project, model.name, model.version, model.framework) == ("demo", "iris", 1, "SKLEARN")
    assert [(file.path, file.size) for file in model.files] == [
        ("__pycache__/a.pyc", 1),
        ("model.pkl", 7),
        ("sub/.hidden", 0),
    ]
    assert (model.metrics, model.input_example) == ({"accuracy": 0.97}, [[5.1, 3.5]])
    assert (model.created_at, model.created_by, model.size) == ("2025-03-09T08:07:06.000Z", "ann", 8)
    assert registry.get("iris") == registry.get("iris", 1) == model


def test_a_single_file_is_a_model_of_its_own_name(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_text("weights")
    model = registry.publish("iris", ModelSource(path=str(tmp_path / "model.pkl"))).model
    assert [file.path for file in model.files] == ["model.pkl"]


def test_the_same_again_is_reused_and_nothing_is_written(
    registry: Registry, store: DirectoryStore, make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_source({"a": "one"}, metrics={"x": 0.1}, input_example={"rows": (1, 2)})
    first = registry.publish("iris", source, actor="ann")
    before = objects(store)
    with caplog.at_level(logging.INFO):
        again = registry.publish("iris", source, actor="bob")
    assert (first.reused, again.reused, again.model) == (False, True, first.model)
    assert objects(store) == before
    assert "Model 'iris' version 1 reused" in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"metrics": {"x": 0.2}},
        {"framework": Framework.TORCH},
        {"description": "other"},
        {"input_example": [[2]]},
        {"files": {"a": "two"}},
        {"files": {"a": "one", "b": ""}},
        {"files": {"b": "one"}},
    ],
    ids=str,
)
def test_anything_else_is_a_new_version(registry: Registry, make_source: MakeSource, change: dict[str, Any]) -> None:
    said: dict[str, Any] = {"files": {"a": "one"}, "metrics": {"x": 0.1}, "input_example": [[1]]}
    registry.publish("iris", make_source(**said))
    published = registry.publish("iris", make_source(**{**said, **change}))
    assert (published.reused, published.model.version) == (False, 2)


def test_only_the_newest_version_is_reused(registry: Registry, make_source: MakeSource) -> None:
    one, two = make_source({"a": "one"}), make_source({"a": "two"})
    versions = [registry.publish("iris", source).model.version for source in (one, two, one)]
    assert versions == [1, 2, 3]


def test_versions_come_newest_first(registry: Registry, make_source: MakeSource) -> None:
    for number in range(11):
        registry.publish("iris", make_source({"a": str(number)}))
    assert [model.version for model in registry.versions("iris")] == list(range(11, 0, -1))
    assert registry.get("iris").version == 11


def test_models_are_listed_by_name_and_by_project(
    registry: Registry, store: DirectoryStore, make_source: MakeSource
) -> None:
    for name in ("iris", "v", "Fraud"):
        registry.publish(name, make_source({"a": "one"}))
    assert registry.models() == ["Fraud", "iris", "v"]
    assert Registry(store, "other").models() == []


def test_who_asks_for_another_model_is_told_which_there_are(registry: Registry, make_source: MakeSource) -> None:
    with pytest.raises(NotFound, match=r"project 'demo'. It has no models yet. Publish the model first"):
        registry.get("iris")
    registry.publish("fraud", make_source({"a": "one"}))
    for ask in (lambda: registry.get("iris"), lambda: registry.get("iris", 3), lambda: registry.versions("iris")):
        with pytest.raises(NotFound, match=r"no model 'iris' in project 'demo'. It has 'fraud'"):
            ask()


@pytest.mark.parametrize("version", [2, 0, -1, 10**12])
def test_who_asks_for_another_version_is_told_which_there_are(
    registry: Registry, make_source: MakeSource, version: int
) -> None:
    registry.publish("iris", make_source({"a": "one"}))
    with pytest.raises(NotFound, match=f"no version {version}. It has 1. Name one of these, or 'latest'"):
        registry.get("iris", version)


def test_a_name_that_no_model_may_bear_is_refused(registry: Registry, make_source: MakeSource) -> None:
    with pytest.raises(InvalidName, match="'my-model' is not allowed"):
        registry.publish("my-model", make_source({"a": "one"}))
    with pytest.raises(InvalidName, match=r"'\.\./x' is not allowed"):
        registry.get("../x")


def make_link(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")


def make_inner_link(folder: Path) -> None:
    (folder / "link").symlink_to("a")


def make_linked_folder(folder: Path) -> None:
    (folder / "link").symlink_to("/etc")


def make_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def make_long_path(folder: Path) -> None:
    os.makedirs(folder / "/".join(["x" * 200] * 4))
    (folder / "/".join(["x" * 200] * 4) / "a").write_text("")


def make_odd_name(folder: Path) -> None:
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))).write_text("")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (make_link, "'link' is a symbolic link"),
        (make_inner_link, "'link' is a symbolic link"),
        (make_linked_folder, "'link' is a symbolic link"),
        (make_pipe, "'pipe' is neither a file nor a folder"),
        (make_long_path, "longer than 640 bytes"),
        (make_odd_name, "no Unicode text"),
    ],
)
def test_what_no_store_can_hold_is_refused_before_anything_is_written(
    registry: Registry, root: Path, make_source: MakeSource, spoil: Callable[[Path], None], message: str
) -> None:
    source = make_source({"a": "one"})
    spoil(Path(source.path))
    for refuse in (lambda: registry.publish("iris", source), lambda: registry.check_source("iris", source)):
        with pytest.raises(InvalidName, match=f"cannot be stored: .*{message}.*plain files only"):
            refuse()
    assert not root.exists()


def test_a_socket_is_no_model(registry: Registry, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(InvalidName, match="'socket' is neither a file nor a folder"):
            registry.publish("iris", ModelSource(path="socket"))
    assert not root.exists()


def test_a_model_that_is_not_there_is_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no model at .*Check the path"):
        registry.publish("iris", ModelSource(path=str(tmp_path / "nowhere")))
    (tmp_path / "empty" / "folders" / "only").mkdir(parents=True)
    with pytest.raises(NotFound, match=r"holds no file.*Save the model there"):
        registry.publish("iris", ModelSource(path=str(tmp_path / "empty")))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"metrics": {"good": 1, "loss": float("nan"), "x": float("inf")}}, "'loss' is nan, 'x' is inf"),
        ({"input_example": object()}, "cannot be written as JSON.*tolist"),
        ({"input_example": [float("nan")]}, "cannot be written as JSON"),
        ({"input_example": "x" * 262_143}, "262,145 bytes of JSON. It takes at most 262,144"),
    ],
    ids=["metrics", "object", "nan", "long"],
)
def test_a_record_that_cannot_be_kept_is_refused_before_anything_is_written(
    registry: Registry, root: Path, make_source: MakeSource, record: dict[str, Any], message: str
) -> None:
    source = make_source({"a": "one"}, **record)
    with pytest.raises(CallerError, match=message):
        registry.publish("iris", source)
    with pytest.raises(CallerError, match=message):
        registry.check_source("iris", source)
    assert not root.exists()


def test_a_good_source_passes_the_check(registry: Registry, make_source: MakeSource) -> None:
    registry.check_source("iris", make_source({"a": "one"}, metrics={"x": 1}, input_example=[[1.5]]))


def test_a_file_that_changes_while_it_is_published_makes_no_version(root: Path, make_source: MakeSource) -> None:
    source = make_source({"a": "one"})
    store = MeddlingStore(root)
    store.then = lambda: (Path(source.path) / "a").write_text("two")
    with pytest.raises(CallerError, match=r"/a' changed while it was published.*Wait until training has finished"):
        Registry(store, "demo").publish("iris", source)
    assert (Registry(store, "demo").models(), objects(store)) == ([], [KEYS.claim("iris", 1)])


def test_a_stray_object_beside_the_files_stops_the_commit(root: Path, make_source: MakeSource) -> None:
    store = MeddlingStore(root)
    store.then = lambda: DirectoryStore(root).put_if_absent(KEYS.model_files("iris", 1) + "stray", b"")
    with pytest.raises(IntegrityError, match="does not hold what was sent: 'stray'"):
        Registry(store, "demo").publish("iris", make_source({"a": "one"}))
    assert Registry(store, "demo").models() == []


def test_a_failed_upload_takes_its_files_back_and_the_next_gets_a_larger_number(
    root: Path, make_source: MakeSource
) -> None:
    source = make_source({"a": "one", "b": "two", "c": "three"})
    store = FailingStore(root)
    store.fails_at = 3
    with pytest.raises(StoreUnavailable, match="did not answer"):
        Registry(store, "demo").publish("iris", source)
    assert objects(store) == [KEYS.claim("iris", 1)]
    assert Registry(store, "demo").publish("iris", source).model.version == 2


def test_a_number_that_was_declared_dead_is_left_and_another_one_taken(root: Path, make_source: MakeSource) -> None:
    store = MeddlingStore(root)
    store.then = lambda: put_record(DirectoryStore(root), KEYS.manifest("iris", 1), {"state": "aborted"})
    registry = Registry(store, "demo")
    assert registry.publish("iris", make_source({"a": "one"})).model.version == 2
    assert [model.version for model in registry.versions("iris")] == [2]
    assert list(store.list(KEYS.model_files("iris", 1))) == []


@pytest.mark.parametrize("at_write", [1, 2, 3, 4], ids=["claim", "first file", "second file", "manifest"])
def test_a_killed_publisher_leaves_no_version_and_the_next_one_is_whole(
    registry: Registry, store: DirectoryStore, make_source: MakeSource, tmp_path: Path, at_write: int
) -> None:
    source = make_source({"a": "one", "b": "two"})
    command = [sys.executable, "-c", KILLED_PUBLISHER, str(store.root), source.path, str(at_write)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert registry.models() == []
    model = registry.publish("iris", source).model
    assert model.version == (1 if at_write == 1 else 2)
    registry.download_model(model, tmp_path / "down")
    assert sorted(path.name for path in (tmp_path / "down").iterdir()) == ["a", "b"]


def test_four_publishers_at_once_never_share_a_number_and_every_version_verifies(
    registry: Registry, store: DirectoryStore, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in "abcd"]
    for folder in folders:
        folder.mkdir()
    commands = [[sys.executable, "-c", PUBLISHER, store.url, str(folder)] for folder in folders]
    publishers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    told = [[int(line) for line in publisher.communicate()[0].split()] for publisher in publishers]
    assert all(numbers == sorted(numbers) for numbers in told)
    assert [model.version for model in registry.versions("iris")] == sorted(chain.from_iterable(told), reverse=True)
    for folder, numbers in zip(folders, told, strict=True):
        for round_number, version in enumerate(numbers):
            registry.download_model(registry.get("iris", version), tmp_path / "down")
            assert (tmp_path / "down" / "model.txt").read_text() == f"{folder.name} {round_number}"
