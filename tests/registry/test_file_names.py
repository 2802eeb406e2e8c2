"""Which names can lie in one folder of a store, and on every disk."""

from __future__ import annotations

import pytest

from moorage.registry.file_names import clashes, problem_with_name


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["model", "Model"], [("model", "Model")]),
        (["sub/a", "sub/A", "sub/b"], [("sub/a", "sub/A")]),
        (["Sub/a", "sub/b", "sub/a"], [("Sub", "sub")]),
        (["Sub", "sub/a"], [("Sub", "sub")]),
        (["straße", "STRASSE"], [("straße", "STRASSE")]),
        (["caf\u00e9", "cafe\u0301"], [("caf\u00e9", "cafe\u0301")]),
        (["a", "A", "b", "B"], [("a", "A"), ("b", "B")]),
        (["a/x", "b/X", "x"], []),
        (["model", "model2", "sub/model"], []),
    ],
    ids=str,
)
def test_names_that_some_disk_takes_for_one_are_found(names: list[str], expected: list[tuple[str, str]]) -> None:
    assert clashes(names) == [f"{one!r} and {other!r} are one name on macOS and Windows" for one, other in expected]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a.py", "b/a.py", "b/c.py", "ab"], []),
        (["a", "b", "a"], ["'a' would be there twice"]),
        (["a", "a/b"], ["'a' would be a file and a folder"]),
    ],
    ids=str,
)
def test_names_that_no_folder_holds_together_are_told(names: list[str], told: list[str]) -> None:
    assert clashes(names) == told


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a b/é+%.bin", None),
        (".hidden", None),
        ("a/" * 319 + "ab", None),
        ("a/" * 320 + "a", "longer than 640 bytes"),
        ("a\\b", "holds a backslash"),
        ("../a", "'.' or '..'"),
    ],
)
def test_a_name_that_some_store_cannot_hold_is_told(name: str, problem: str | None) -> None:
    told = problem_with_name(name)
    assert told is None if problem is None else problem in (told or "")
