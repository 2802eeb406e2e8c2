"""What was declared before, and what is not any more."""

import pytest

from moorage.declared_group import DeclaredGroup
from moorage.errors import IntegrityError, InvalidName
from moorage.store.directory import DirectoryStore


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def group(store):
    return DeclaredGroup(store, "default", "declared", actor="ada@lovelace")


def entries(store):
    return [info.key for info in store.list("Projects/default/Declared/")]


def test_what_was_never_declared_is_not_missed(group):
    assert group.undeclared(["iris"]) == []


def test_what_was_declared_once_is_missed_until_it_is_pruned(group):
    group.remember(["iris", "wine"])
    group.remember(["iris"])
    assert group.undeclared(["iris"]) == ["wine"]
    group.remember(["iris"], pruned=["wine"])
    assert group.undeclared(["iris"]) == []


def test_nothing_new_is_not_written_down_again(group, store):
    group.remember(["iris", "wine"])
    before = entries(store)
    group.remember(["wine", "iris"])
    assert entries(store) == before


def test_groups_do_not_miss_each_others_deployments(group, store):
    DeclaredGroup(store, "default", "other").remember(["wine"])
    DeclaredGroup(store, "elsewhere", "declared").remember(["wine"])
    assert group.undeclared([]) == []


def test_a_group_is_named_as_other_things_are(store):
    with pytest.raises(InvalidName, match="Group name 'a/b' is not allowed"):
        DeclaredGroup(store, "default", "a/b")


def test_what_cannot_be_read_is_told(group, store):
    group.remember(["iris"])
    other = store.get(entries(store)[0]).replace(b"deployments", b"deploymints")
    store.delete(entries(store)[0])
    store.put_if_absent("Projects/default/Declared/declared/9999999998.json", other)
    with pytest.raises(IntegrityError):
        group.undeclared([])
