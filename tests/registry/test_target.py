from __future__ import annotations

from pathlib import Path

import pytest

from moorage.errors import CallerError
from moorage.registry.registry import Registry
from moorage.registry.target import check_target


def test_a_model_is_brought_where_nothing_is_and_where_it_is_already(registry: Registry, make_source, tmp_path) -> None:
    model = registry.publish("iris", make_source({"a/b": "one"})).model
    (tmp_path / "empty").mkdir()
    registry.download_model(model, tmp_path / "whole")
    for name in ("new", "empty", "whole"):
        check_target(model, tmp_path / name)


TAKEN = {
    "other files": lambda path: (path / "thesis.tex").write_text("years"),
    "more files": lambda path: (path / "notes").write_text("mine"),
    "an altered file": lambda path: (path / "a").write_text("two"),
}


@pytest.mark.parametrize("spoil", TAKEN.values(), ids=TAKEN.keys())
def test_what_lies_there_is_not_replaced(registry: Registry, make_source, tmp_path: Path, spoil) -> None:
    model = registry.publish("iris", make_source({"a": "one"})).model
    registry.download_model(model, tmp_path / "there")
    spoil(tmp_path / "there")
    with pytest.raises(CallerError, match=r"there' is there already, and is not model 'iris' version 1"):
        check_target(model, tmp_path / "there")


def test_neither_a_file_nor_a_link_is_replaced(registry: Registry, make_source, tmp_path: Path) -> None:
    model = registry.publish("iris", make_source({"a": "one"})).model
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(CallerError, match="is there already"):
            check_target(model, tmp_path / name)
