"""The first keys below many folders: the same by one list as by many."""

import pytest

from moorage.store import newest
from moorage.store.directory import DirectoryStore

KEYS = ["a/v/1", "a/v/2", "a/v/3", "a/w/1", "ab/v/9", "b/v/5", "c/v/deep/1", "z"]


@pytest.fixture(params=["one list", "a list each"])
def store(request, tmp_path, monkeypatch):
    if request.param == "a list each":
        monkeypatch.setattr(newest, "_MOST", 2)
    store = DirectoryStore(tmp_path / "store")
    for key in KEYS:
        store.put_if_absent(f"p/{key}", b"x")
    return store


def test_each_folder_has_its_own_first_keys(store):
    found = newest.first_keys(store, "p/", ["a/v", "b/v", "nobody"], each=2)
    assert found == {"a/v": ["p/a/v/1", "p/a/v/2"], "b/v": ["p/b/v/5"]}


def test_a_folder_whose_name_begins_alike_is_another(store):
    assert newest.first_keys(store, "p/", ["a/v", "ab/v"]) == {"a/v": ["p/a/v/1"], "ab/v": ["p/ab/v/9"]}


def test_one_folder_and_none(store):
    assert newest.first_keys(store, "p/", ["a/w"]) == {"a/w": ["p/a/w/1"]}
    assert newest.first_keys(store, "p/", []) == {}
