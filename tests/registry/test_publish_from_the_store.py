"""Publishing what lies in the store already: named by its place there, never read to this machine and sent back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from moorage.errors import CallerError, InvalidName, NotFound
from moorage.predictor import ModelSource
from moorage.registry.keys import Keys
from moorage.registry.record import Published
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore
from tests.registry.checked import check_whole, publish
from tests.registry.watched import Watched

KEYS = Keys("demo")
BY_HAND = "Projects/demo/Resources/trained"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path, text in {"weights": "one", "sub/a": "two", "sub/b": "", "sub-2": "three"}.items():
        (tmp_path / "trained" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "trained" / path).write_text(text)
    return tmp_path / "trained"


def put_by_hand(store: ObjectStore, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            store.put_if_absent(f"{BY_HAND}/{path.relative_to(folder)}", path.read_bytes())


def files_asked_for(store: Watched) -> list[str]:
    """What was read or written of model files; copies and looks left out."""
    return [asked for asked in store.asked if asked.startswith(("get", "put")) and "/Registry/" not in asked]


@pytest.mark.parametrize("place", ["{}", "{}/Files", "{}/Files/", "/{}/Files", "{}/"])
def test_a_version_is_published_under_another_name_without_being_read_or_sent(
    watched_store: Watched, folder: Path, tmp_path: Path, place: str
) -> None:
    first = publish(watched_store, folder).model
    watched_store.asked.clear()
    path = place.format("Projects/demo/Models/iris/1")
    published = Registry(watched_store, "other").publish("flowers", ModelSource(path=path))
    assert published == Published(published.model, reused=False, sent=0, copied=first.size)
    assert (published.model.digest, published.model.version, files_asked_for(watched_store)) == (first.digest, 1, [])
    registry = Registry(watched_store, "other")
    registry.download_model(registry.verify("flowers"), tmp_path / "down")


def test_the_newest_version_published_from_itself_is_reused(watched_store: Watched, folder: Path) -> None:
    first = publish(watched_store, folder).model
    watched_store.asked.clear()
    published = publish(watched_store, "Projects/demo/Models/iris/1/Files")
    assert (published, watched_store.count("put")) == (Published(first, reused=True), 0)
    assert files_asked_for(watched_store) == []


def test_a_full_url_names_the_same_place(each_store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    publish(each_store, folder)
    published = publish(each_store, f"{each_store.url}/Projects/demo/Models/iris/1/Files", description="again")
    assert published.model.version == 2
    check_whole(each_store, published.model, folder, tmp_path / "down")


def test_a_folder_of_a_version_is_a_model_of_its_own(each_store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    publish(each_store, folder)
    published = publish(each_store, "Projects/demo/Models/iris/1/Files/sub")
    assert ([file.path for file in published.model.files], published.sent) == (["a", "b"], 0)
    check_whole(each_store, published.model, folder / "sub", tmp_path / "down")


@pytest.mark.parametrize("place", ["Projects/demo/Models/iris/1/Files/sub/a", f"{BY_HAND}/sub/a"])
def test_a_single_object_is_a_model_of_its_own_name(each_store: ObjectStore, folder: Path, place: str) -> None:
    publish(each_store, folder)
    put_by_hand(each_store, folder)
    model = publish(each_store, place).model
    assert [(file.path, file.sha256) for file in model.files] == [("a", hashlib.sha256(b"two").hexdigest())]
    Registry(each_store, "demo").verify("iris", 2)


def test_what_was_put_by_hand_is_hashed_by_reading_and_not_sent(
    each_store: ObjectStore, folder: Path, tmp_path: Path
) -> None:
    put_by_hand(each_store, folder)
    published = publish(each_store, BY_HAND)
    assert (published.sent, published.copied) == (0, 11)
    check_whole(each_store, published.model, folder, tmp_path / "down")
    assert (
        published.model.digest == Registry(each_store, "other").publish("x", ModelSource(path=str(folder))).model.digest
    )


def test_what_was_put_by_hand_and_is_unchanged_is_reused(watched_store: Watched, folder: Path) -> None:
    put_by_hand(watched_store, folder)
    first = publish(watched_store, BY_HAND).model
    watched_store.asked.clear()
    assert (publish(watched_store, BY_HAND), watched_store.count("put")) == (Published(first, reused=True), 0)
    assert publish(watched_store, folder) == Published(first, reused=True)


def test_a_version_does_not_change_with_a_file_that_is_written_to_by_hand(tmp_path: Path, folder: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put_by_hand(store, folder)
    publish(store, BY_HAND)
    (tmp_path / "store" / BY_HAND / "weights").write_text("two")
    assert Registry(store, "demo").verify("iris", 1).version == 1


def test_an_object_that_is_replaced_while_it_is_published_makes_no_version(
    watched_store: Watched, each_store: ObjectStore, folder: Path
) -> None:
    put_by_hand(watched_store, folder)

    def replace() -> None:
        each_store.delete(f"{BY_HAND}/weights")
        # Of another size: within a tick of its clock, a disk does not tell one file from another by the time.
        each_store.put_if_absent(f"{BY_HAND}/weights", b"something else")

    # Once the files are in their places, each source is looked at once more.
    watched_store.before(f"head {BY_HAND}/weights", replace)
    with pytest.raises(CallerError, match=r"trained/weights' changed while it was published.*Nothing may write"):
        publish(watched_store, BY_HAND)
    assert (Registry(watched_store, "demo").models(), list(watched_store.list("Projects/demo/Models/"))) == ([], [])


def test_an_object_that_vanishes_while_it_is_published_makes_no_version(watched_store: Watched, folder: Path) -> None:
    put_by_hand(watched_store, folder)
    watched_store.before(f"copy {BY_HAND}/weights", lambda: watched_store.delete(f"{BY_HAND}/weights"))
    with pytest.raises(CallerError, match=r"no object .*weights' any more.*Publish again"):
        publish(watched_store, BY_HAND)
    assert Registry(watched_store, "demo").models() == []


@pytest.mark.parametrize("path", ["nowhere", "Projects/demo/Resources/nowhere", "s3://elsewhere/Projects/x/y/z"])
def test_where_there_is_nothing_both_places_are_named(each_store: ObjectStore, path: str) -> None:
    with pytest.raises(
        NotFound, match=f"no model at {path!r}, neither on this machine nor in the store {each_store.url}"
    ):
        publish(each_store, path)
    assert list(each_store.list("")) == []


def test_a_folder_that_no_version_has_is_not_found(each_store: ObjectStore, folder: Path) -> None:
    publish(each_store, folder)
    with pytest.raises(NotFound, match=r"no model at 'Projects/demo/Models/iris/1/Files/su', neither"):
        publish(each_store, "Projects/demo/Models/iris/1/Files/su")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("Projects/demo/Models/iris/7/Files", r"'iris' has no version 7\. It has 2, 1"),
        ("Projects/demo/Models/rose/1", r"no model 'rose' in project 'demo'"),
        ("Projects/demo/Models/iris", r"holds more than one model, or none"),
        ("Projects/demo/Models/iris/2/Artifacts/1", r"holds more than one model, or none"),
        ("Projects/demo/Registry/iris/v", r"holds more than one model, or none"),
        ("Projects/demo", r"holds more than one model, or none"),
        ("Projects/demo/Resources/../x", r"a part of it is empty, '\.' or '\.\.'"),
    ],
)
def test_a_place_that_holds_no_model_is_refused_before_anything_is_written(
    each_store: ObjectStore, folder: Path, path: str, message: str
) -> None:
    publish(each_store, folder)
    publish(each_store, folder, description="newer")
    before = [found.key for found in each_store.list("")]
    with pytest.raises((NotFound, InvalidName), match=message):
        publish(each_store, path)
    assert [found.key for found in each_store.list("")] == before


def test_a_deleted_version_is_not_published_even_while_files_of_it_are_left(
    each_store: ObjectStore, folder: Path
) -> None:
    publish(each_store, folder)
    Registry(each_store, "demo").references("iris").delete(1)
    with pytest.raises(NotFound, match="Version 1 of model 'iris' was deleted"):
        publish(each_store, "Projects/demo/Models/iris/1/Files/sub")


def test_of_a_number_that_is_not_committed_nothing_is_published(each_store: ObjectStore) -> None:
    each_store.put_if_absent(KEYS.claim("iris", 1), b"{}")
    each_store.put_if_absent(KEYS.model_files("iris", 1) + "weights", b"half")
    with pytest.raises(NotFound, match="There is no model 'iris'"):
        publish(each_store, "Projects/demo/Models/iris/1/Files")
    assert each_store.head(KEYS.claim("iris", 2)) is None


@pytest.mark.parametrize(("path", "message"), [("x" * 250, "longer than 640"), ("A", "are one name on macOS")])
def test_names_that_no_model_may_hold_are_refused_of_what_was_put_by_hand_too(
    each_store: ObjectStore, path: str, message: str
) -> None:
    key = "/".join([path] * 3) if "longer" in message else path
    each_store.put_if_absent(f"{BY_HAND}/{key}", b"")
    each_store.put_if_absent(f"{BY_HAND}/a", b"")
    with pytest.raises(InvalidName, match=f"cannot be stored: .*{message}"):
        publish(each_store, BY_HAND)
    assert [found.key for found in each_store.list(KEYS.registry)] == []


def test_what_lies_on_this_machine_comes_first(
    each_store: ObjectStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_by_hand(each_store, folder)
    monkeypatch.chdir(tmp_path)
    (tmp_path / BY_HAND).mkdir(parents=True)
    (tmp_path / BY_HAND / "local").write_text("here")
    assert [file.path for file in publish(each_store, BY_HAND).model.files] == ["local"]
