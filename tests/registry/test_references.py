from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from moorage.errors import CallerError, IntegrityError, InvalidName, NotFound
from moorage.predictor import ModelSource
from moorage.registry.artifact_files import ArtifactFiles
from moorage.registry.keys import Keys
from moorage.registry.reference_log import ReferenceLog
from moorage.registry.references import (
    Pin,
    ReferenceEvent,
    References,
    beyond_newest,
    with_aliases,
    with_deleted,
    with_pins,
    with_tag,
    without_tag,
)
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore
from moorage.store.log import inverted

MakeSource = Callable[..., ModelSource]
KEYS = Keys("demo")


class RivalledStore(DirectoryStore):
    """Somebody else does something just before the first entry is written; `rival` says what."""

    rival: Callable[[], object] | None = None

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        if "/r/" in key and self.rival is not None:
            rival, self.rival = self.rival, None
            rival()
        return super().put_if_absent(key, body)


@pytest.fixture
def references(registry: Registry, make_source: MakeSource) -> ReferenceLog:
    """Of a model with the versions 1, 2 and 3."""
    for number in range(3):
        registry.publish("iris", make_source({"a": str(number)}))
    return registry.references("iris")


def test_a_model_begins_with_nothing_that_points_to_it(references: ReferenceLog) -> None:
    assert references.state() == References()
    assert references.history() == []


def test_aliases_move_together_and_the_history_says_who_moved_them_and_why(references: ReferenceLog) -> None:
    references.move_aliases({"champion": 1, "challenger": 2}, actor="ann", reason="first")
    references.move_aliases({"champion": 2, "challenger": None}, actor="bob", reason="won")
    assert references.state().aliases == {"champion": 2}
    first, second = references.history()
    assert (first.actor, first.reason, first.time) == ("ann", "first", "2025-03-09T08:07:06.000Z")
    assert (first.event, first.state.aliases) == (ReferenceEvent.ALIASES_MOVED, {"champion": 1, "challenger": 2})
    assert (second.actor, second.change) == ("bob", {"champion": 2, "challenger": None})


def test_two_movers_of_one_alias_are_both_in_the_history(references: ReferenceLog, root: Path) -> None:
    rivalled = RivalledStore(root)
    rivalled.rival = lambda: references.move_aliases({"champion": 1}, actor="bob")
    Registry(rivalled, "demo").references("iris").move_aliases({"champion": 2}, actor="ann")
    assert [(entry.actor, entry.state.aliases["champion"]) for entry in references.history()] == [
        ("bob", 1),
        ("ann", 2),
    ]


def test_an_alias_does_not_move_to_what_a_rival_deletes_at_that_moment(references: ReferenceLog, root: Path) -> None:
    rivalled = RivalledStore(root)
    rivalled.rival = lambda: references.delete(2)
    with pytest.raises(NotFound, match="Version 2 of model 'iris' was deleted"):
        Registry(rivalled, "demo").references("iris").move_aliases({"champion": 2})
    assert references.state().aliases == {}


def test_a_version_that_a_rival_points_to_at_that_moment_is_not_deleted(
    references: ReferenceLog, root: Path, store: DirectoryStore
) -> None:
    rivalled = RivalledStore(root)
    rivalled.rival = lambda: references.pin("fraud", {Pin(2, 0)})
    with pytest.raises(CallerError, match="deployment 'fraud' is pinned to it"):
        Registry(rivalled, "demo").references("iris").delete(2)
    assert len(list(store.list(KEYS.version_files("iris", 2)))) == 1


def test_what_is_so_already_is_not_written_again(references: ReferenceLog) -> None:
    assert references.move_aliases({"champion": 1}) is not None
    assert references.move_aliases({"champion": 1}) is None
    assert references.unpin("fraud") is None
    assert len(references.history()) == 1


def test_a_version_is_found_by_its_alias(registry: Registry, references: ReferenceLog) -> None:
    references.move_aliases({"champion": 2})
    assert registry.get("iris", "champion") == registry.get("iris", 2) == registry.get("iris", "2")


def test_an_unknown_alias_is_refused_and_the_known_ones_named(registry: Registry, references: ReferenceLog) -> None:
    with pytest.raises(NotFound, match=r"'iris' has no alias 'champion'. It has no aliases yet"):
        registry.get("iris", "champion")
    references.move_aliases({"challenger": 2})
    with pytest.raises(NotFound, match=r"It has 'challenger'. Name one of these, a version number, or 'latest'"):
        registry.get("iris", "champion")
    with pytest.raises(NotFound, match="There is no model 'fraud'"):
        registry.get("fraud", "champion")


def test_a_wrong_alias_moves_none(references: ReferenceLog) -> None:
    with pytest.raises(InvalidName, match="'7' is not allowed: it would be taken for a version number"):
        references.move_aliases({"champion": 1, "7": 2})
    assert references.history() == []


@pytest.mark.parametrize("version", [0, -1, 4, 10**12])
def test_nothing_points_to_a_version_that_does_not_exist(references: ReferenceLog, version: int) -> None:
    for ask in (
        lambda: references.move_aliases({"champion": 1, "rival": version}),
        lambda: references.pin("fraud", {Pin(version, 0)}),
        lambda: references.set_tag(version, "a", 1),
        lambda: references.delete_tag(version, "a"),
        lambda: references.delete(version),
    ):
        with pytest.raises(NotFound, match=f"'iris' has no version {version}"):
            ask()
    assert references.history() == []


def test_a_pin_names_an_artifact_version_that_exists(
    registry: Registry, references: ReferenceLog, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="no artifact version 1 of model 'iris' version 2"):
        references.pin("fraud", {Pin(2, 1)})
    (tmp_path / "predictor.py").write_text("#")
    registry.build_artifact_version(registry.get("iris", 2), ArtifactFiles(tmp_path / "predictor.py"))
    references.pin("fraud", {Pin(2, 1)}, actor="ann")
    assert references.state().pins == {"fraud": {Pin(2, 1)}}
    assert references.state().deployments_of(2) == ["fraud"]


def test_a_deployment_pins_all_that_it_may_run_in_one_write(references: ReferenceLog) -> None:
    references.pin("fraud", {Pin(1, 0, 1), Pin(2, 0, 2)})
    for version in (1, 2):
        with pytest.raises(CallerError, match=f"Version {version} .*'fraud' is pinned to it.*Deploy another version"):
            references.delete(version)
    references.pin("fraud", {Pin(2, 0, 2)})
    assert references.delete(1) is not None
    assert [entry.change["pins"] for entry in references.history()[:2]] == [[[1, 0, 1], [2, 0, 2]], [[2, 0, 2]]]


def test_what_is_pinned_already_is_not_written_again(references: ReferenceLog) -> None:
    references.pin("fraud", {Pin(1, 0, 1)})
    assert references.pin("fraud", {Pin(1, 0, 1)}) is None
    assert references.pin("fraud", {Pin(1, 0, 2)}) is not None
    assert references.pin("fraud", ()) is not None
    assert references.unpin("fraud") is None
    assert [entry.event for entry in references.history()] == ["PINNED", "PINNED", "UNPINNED"]


def test_one_pin_that_cannot_be_made_keeps_all_from_being_made(references: ReferenceLog) -> None:
    with pytest.raises(NotFound, match="'iris' has no version 7"):
        references.pin("fraud", {Pin(1, 0), Pin(7, 0)})
    assert references.history() == []


def test_pins_are_decided_anew_when_a_rival_wrote(references: ReferenceLog, root: Path) -> None:
    rivalled, seen = RivalledStore(root), []
    rivalled.rival = lambda: references.pin("fraud", {Pin(1, 0)})

    def decide(state: References) -> frozenset[Pin]:
        seen.append(state.pins_of("fraud"))
        return state.pins_of("fraud") | {Pin(2, 0)}

    Registry(rivalled, "demo").references("iris").repin("fraud", decide)
    assert seen == [set(), {Pin(1, 0)}]
    assert references.state().pins_of("fraud") == {Pin(1, 0), Pin(2, 0)}


def test_a_deleted_version_is_found_no_more_and_its_files_are_gone(
    registry: Registry, references: ReferenceLog, store: DirectoryStore
) -> None:
    references.delete(3, actor="ann", reason="leaks names")
    assert registry.get("iris").version == 2
    assert [model.version for model in registry.versions("iris")] == [2, 1]
    assert list(store.list(KEYS.version_files("iris", 3))) == []
    told = r"Version 3 of model 'iris' was deleted on 2025-03-09T08:07:06.000Z by ann: leaks names"
    with pytest.raises(NotFound, match=told):
        registry.get("iris", 3)


def test_who_deleted_a_version_is_told_after_a_hundred_other_changes(
    registry: Registry, references: ReferenceLog
) -> None:
    for number in range(40):
        references.set_tag(1, "n", number)
        if number == 17:
            references.delete(2, actor="ann")
    with pytest.raises(NotFound, match=r"was deleted on .* by ann"):
        registry.get("iris", 2)


def test_deleting_twice_is_no_error_and_one_entry(references: ReferenceLog) -> None:
    assert references.delete(2) is not None
    assert references.delete(2) is None
    assert len(references.history()) == 1


def test_a_number_that_was_deleted_is_not_used_again(
    registry: Registry, references: ReferenceLog, make_source: MakeSource
) -> None:
    references.delete(3)
    published = registry.publish("iris", make_source({"a": "2"}))
    assert (published.reused, published.model.version) == (False, 4)


def test_a_version_that_something_points_to_is_not_deleted(references: ReferenceLog, store: DirectoryStore) -> None:
    references.move_aliases({"champion": 1, "best": 1})
    references.pin("fraud", {Pin(1, 0)})
    with pytest.raises(
        CallerError, match=r"alias 'best'.*alias 'champion'.*deployment 'fraud'.*Move the aliases.*Deploy"
    ):
        references.delete(1)
    assert len(list(store.list(KEYS.version_files("iris", 1)))) == 1
    references.move_aliases({"champion": 2, "best": None})
    references.unpin("fraud")
    assert references.delete(1) is not None


def test_nothing_points_to_a_deleted_version(references: ReferenceLog) -> None:
    references.delete(1)
    for ask in (
        lambda: references.move_aliases({"champion": 1}),
        lambda: references.pin("fraud", {Pin(1, 0)}),
        lambda: references.set_tag(1, "a", 1),
        lambda: references.delete_tag(1, "a"),
    ):
        with pytest.raises(NotFound, match=r"Version 1 of model 'iris' was deleted"):
            ask()
    assert len(references.history()) == 1


def test_tags_hold_any_json_and_go_with_their_version(references: ReferenceLog) -> None:
    references.set_tag(1, "card", {"owner": "ann", "rows": (1, 2)})
    references.set_tag(1, "ok", None)
    assert references.state().tags == {1: {"card": {"owner": "ann", "rows": [1, 2]}, "ok": None}}
    references.delete_tag(1, "ok")
    assert references.state().tags == {1: {"card": {"owner": "ann", "rows": [1, 2]}}}
    references.delete(1)
    assert references.state().tags == {}


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()], ids=["nan", "set", "object"])
def test_a_tag_that_json_cannot_hold_is_refused(references: ReferenceLog, value: object) -> None:
    with pytest.raises(CallerError, match="tag 'card' cannot be written as JSON"):
        references.set_tag(1, "card", value)
    with pytest.raises(CallerError, match="has no name"):
        references.set_tag(1, "", 1)


def test_models_have_references_of_their_own(
    registry: Registry, references: ReferenceLog, make_source: MakeSource
) -> None:
    registry.publish("fraud", make_source({"a": "one"}))
    references.move_aliases({"champion": 2})
    assert registry.references("fraud").state() == References()


def test_an_entry_that_is_none_of_ours_is_named(registry: Registry, root: Path, references: ReferenceLog) -> None:
    references.move_aliases({"champion": 2})
    entry = root / f"{KEYS.references('iris')}{inverted(1)}.json"
    entry.write_text(entry.read_text().replace("pins", "pens"))
    with pytest.raises(IntegrityError, match="Entry 1 of the references of model 'iris' is not one that Moorage wrote"):
        registry.get("iris")


STATE = References(
    {"champion": 3, "old": 1}, frozenset({2}), {"fraud": frozenset({Pin(4, 1)})}, {1: {"a": 1}, 5: {"b": 2}}
)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [(1, [5, 6]), (2, [5]), (3, []), (100, []), (0, [5, 6])],
)
def test_beyond_the_newest_few_only_what_nothing_points_to_goes(keep: int, expected: list[int]) -> None:
    assert beyond_newest(STATE, [1, 2, 3, 4, 5, 6, 7], keep) == expected


def test_each_change_leaves_all_else_as_it_was() -> None:
    assert References.from_json(STATE.to_json()) == STATE
    assert with_aliases(STATE, {"old": None, "new": 5}).aliases == {"champion": 3, "new": 5}
    assert with_pins(STATE, "fraud", ()).pins == {}
    assert with_tag(STATE, 1, "c", value=3).tags == {1: {"a": 1, "c": 3}, 5: {"b": 2}}
    assert without_tag(STATE, 1, "a").tags == {5: {"b": 2}}
    gone = with_deleted(STATE, "iris", 5)
    assert (sorted(gone.deleted), gone.tags, gone.aliases) == ([2, 5], {1: {"a": 1}}, STATE.aliases)
