from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from moorage.errors import CallerError, IntegrityError, NotFound
from moorage.predictor import Lineage
from moorage.registry.keys import Keys
from moorage.registry.registry import Registry
from moorage.store.directory import DirectoryStore


@pytest.fixture
def told(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "Train It.PY").write_text("fit()")
    return {"program": str(tmp_path / "Train It.PY"), "environment": "# Python 3.11\nnumpy==2.1\n"}


def test_program_and_environment_are_kept_beside_the_files(registry: Registry, make_source, told) -> None:
    model = registry.publish("iris", make_source({"a": "one"}, **told)).model
    assert [entry.path for entry in model.attachments] == ["environment.txt", "program.py"]
    assert registry.attachment(model, "program.py") == b"fit()"
    assert registry.attachment(model, "environment.txt") == told["environment"].encode()
    assert registry.get("iris", 1) == model


def test_schema_and_lineage_are_kept_in_the_record(registry: Registry, make_source) -> None:
    schema = {"input_schema": {"columnar_schema": [{"type": "float"}]}}
    lineage = Lineage(flow_run="7", git_commit="abc", parent_version=1, training_data={"table": "flowers"})
    registry.publish("iris", make_source({"a": "one"}, model_schema=schema, lineage=lineage))
    model = registry.get("iris")
    assert (model.schema, model.lineage) == (schema, lineage)


def test_another_program_or_lineage_alone_is_no_new_version(registry: Registry, make_source, told) -> None:
    registry.publish("iris", make_source({"a": "one"}))
    again = registry.publish("iris", make_source({"a": "one"}, lineage=Lineage(git_commit="abc"), **told))
    assert (again.reused, again.model.version) == (True, 1)
    assert registry.publish("iris", make_source({"a": "one"}, model_schema=[1])).model.version == 2


def test_an_attachment_that_was_altered_is_refused(
    registry: Registry, store: DirectoryStore, make_source, told
) -> None:
    model = registry.publish("iris", make_source({"a": "one"}, **told)).model
    key = Keys("demo").version_files("iris", 1) + "program.py"
    store.delete(key)
    store.put_if_absent(key, b"fat()")
    with pytest.raises(IntegrityError, match=r"'program.py' of model 'iris' version 1 is not what was published"):
        registry.attachment(model, "program.py")


def test_an_attachment_that_there_is_not_is_told_with_those_there_are(registry: Registry, make_source, told) -> None:
    model = registry.publish("iris", make_source({"a": "one"}, environment="numpy")).model
    with pytest.raises(NotFound, match=r"has no attachment 'program.py'. It has 'environment.txt'"):
        registry.attachment(model, "program.py")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"program": "nowhere.py"}, "'nowhere.py' cannot be read: no such file"),
        ({"environment": "x" * (16 << 20) + "x"}, "environment.txt.*16,777,217 bytes"),
        ({"model_schema": {1, 2}}, "schema cannot be written as JSON"),
        ({"lineage": Lineage(training_data={1, 2})}, "lineage cannot be written as JSON"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(
    registry: Registry, store: DirectoryStore, make_source, said: dict[str, Any], message: str
) -> None:
    source = make_source({"a": "one"}, **said)
    for publish in (lambda: registry.check_source("iris", source), lambda: registry.publish("iris", source)):
        with pytest.raises(CallerError, match=message):
            publish()
    assert list(store.list("")) == []
