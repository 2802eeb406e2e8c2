from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import moorage
from moorage.errors import CallerError, IntegrityError, InvalidName, MoorageError, NotFound
from moorage.predictor import Lineage


def test_describing_a_model_stores_nothing(mr, site):
    model = mr.sklearn.create_model("iris", metrics={"accuracy": 0.97}, tags={"owner": "ada"})
    assert (model.version, model.id, model.framework, model.training_metrics) == (
        None,
        None,
        "SKLEARN",
        {"accuracy": 0.97},
    )
    assert list(site.store.list("")) == []


def test_a_saved_model_is_the_version_that_it_became(mr, site):
    model = mr.tensorflow.create_model("iris", description="the first", metrics={"loss": "0.5"})
    assert model.save("trained") is model
    assert (model.id, model.name, model.version, model.framework) == ("iris_1", "iris", 1, "TENSORFLOW")
    assert (model.description, model.training_metrics, model.creator) == ("the first", {"loss": 0.5}, site.actor)
    assert datetime.now(UTC) - timedelta(minutes=5) < model.created <= datetime.now(UTC) + timedelta(minutes=5)
    assert (model.size, [file.path for file in model.files]) == (6, ["model.txt"])
    assert model.digest == site.registry.get("iris").digest


def test_the_paths_of_a_model_are_hopsworks(mr):
    model = mr.python.create_model("iris").save("trained")
    assert model.model_path == "/Projects/default/Models/iris"
    assert model.version_path == "/Projects/default/Models/iris/1"
    assert model.model_files_path == "/Projects/default/Models/iris/1/Files"


@pytest.mark.parametrize("path", ["trained", "trained/model.txt", Path("trained"), Path("trained").absolute])
def test_a_folder_or_a_file_is_saved_wherever_it_is_named_from(mr, path):
    model = mr.python.create_model("iris").save(path() if callable(path) else path)
    assert [file.path for file in model.files] == ["model.txt"]


def test_the_same_model_again_is_the_same_version(mr):
    said = {"metrics": {"accuracy": 0.97}, "tags": [{"name": "owner", "value": "ada"}]}
    assert mr.python.create_model("iris", **said).save("trained").version == 1
    assert mr.python.create_model("iris", **said).save("trained").version == 1
    assert mr.python.create_model("iris").save("trained").version == 2


def test_a_key_makes_one_version_however_often_it_is_saved(mr, trained):
    first = mr.python.create_model("iris").save("trained", idempotency_key="run 7")
    (trained / "model.txt").write_text("other petals")
    assert mr.python.create_model("iris").save("trained", idempotency_key="run 7").version == first.version


def test_example_and_schema_are_told_from_a_frame(mr):
    frame = pd.DataFrame({"length": [5.1, 4.9], "petals": [3, 5]})
    schema = moorage.ModelSchema(moorage.Schema(frame), moorage.Schema(pd.Series(["setosa"], name="species")))
    model = mr.python.create_model("iris", input_example=frame, model_schema=schema)
    assert mr.get_model("iris") is None
    model.save("trained")
    assert model.input_example == [5.1, 3]
    assert model.model_schema == {
        "input_schema": {
            "columnar_schema": [{"name": "length", "type": "float64"}, {"name": "petals", "type": "int64"}]
        },
        "output_schema": {"columnar_schema": [{"name": "species", "type": "object"}]},
    }


TAGS = {
    "by name": {"owner": "ada", "score": 0.5},
    "Hopsworks' list": [{"name": "owner", "value": "ada"}, {"name": "score", "value": 0.5}],
    "names and values": {"name": "the best", "value": 1, "more": 2},
}


@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS.keys())
def test_tags_are_set_when_the_model_is_saved(mr, tags):
    expected = tags if isinstance(tags, dict) else {"owner": "ada", "score": 0.5}
    assert mr.python.create_model("iris", tags=tags).save("trained").get_tags() == expected


def test_one_tag_in_hopsworks_words_is_one_tag(mr):
    model = mr.python.create_model("iris", tags={"name": "owner", "value": "ada"}).save("trained")
    assert (model.get_tags(), model.get_tag("owner"), model.get_tag("more")) == ({"owner": "ada"}, "ada", None)


class FeatureView:
    name, version = "flowers", 2


TRAINED_ON = {
    "words": ({"training_data": "flowers v2"}, "flowers v2"),
    "a feature view": (
        {"feature_view": FeatureView(), "training_dataset_version": 7},
        {"feature_view": {"name": "flowers", "version": 2}, "training_dataset_version": 7},
    ),
}


@pytest.mark.parametrize(("said", "kept"), TRAINED_ON.values(), ids=TRAINED_ON.keys())
def test_what_it_was_trained_on_is_in_its_lineage(mr, said, kept):
    lineage = mr.python.create_model("iris", parent_version=3, **said).save("trained").lineage
    assert (lineage.training_data, lineage.parent_version) == (kept, 3)


def test_environment_program_and_commit_are_kept_without_being_asked_for(mr):
    model = mr.python.create_model("iris").save("trained")
    assert model.environment.startswith("# Python 3.")
    assert "\npytest==" in model.environment
    assert "def test_environment_program_and_commit_are_kept" in model.program


def test_what_is_said_of_how_it_was_made_is_kept_in_place_of_what_is_seen(mr):
    Path("train.py").write_text("fit()")
    said = {"program": "train.py", "environment": "numpy==2", "git_commit": "abc", "flow_run": "7"}
    model = mr.python.create_model("iris").save("trained", **said)
    assert (model.program, model.environment) == ("fit()", "numpy==2")
    assert (model.lineage.git_commit, model.lineage.flow_run) == ("abc", "7")


def test_an_empty_text_keeps_nothing(mr):
    model = mr.python.create_model("iris").save("trained", program="", environment="", git_commit="", flow_run="")
    assert (model.program, model.environment, model.lineage) == (None, None, Lineage())


def test_a_download_goes_to_a_folder_of_its_own_or_where_one_says(mr):
    model = mr.python.create_model("iris").save("trained")
    assert Path(model.download() + "/model.txt").read_text() == "petals"
    assert model.download(Path("new") / "place") == os.path.join("new", "place")
    assert model.download("new/place") == "new/place"


def test_a_download_takes_the_place_of_nothing(mr):
    with pytest.raises(CallerError, match=r"'\.' is there already, and is not model 'iris' version 1"):
        mr.python.create_model("iris").save("trained").download(".")


def test_an_altered_file_is_not_downloaded(mr, site):
    model = mr.python.create_model("iris").save("trained")
    stored = site.settings.home / "store/Projects/default/Models/iris/1/Files/model.txt"
    stored.chmod(0o644)
    stored.write_text("thorns")
    with pytest.raises(IntegrityError, match=r"model\.txt"):
        model.download("here")
    assert not Path("here").exists()


def test_a_deleted_model_is_found_no_more(mr):
    model = mr.python.create_model("iris").save("trained")
    model.delete(reason="a mistake")
    assert (mr.get_model("iris"), mr.get_models("iris")) == (None, [])
    with pytest.raises(NotFound, match=r"was deleted on .*: a mistake"):
        model.download("here")


def test_a_model_that_something_points_to_is_not_deleted(mr):
    model = mr.python.create_model("iris").save("trained")
    model.set_alias("champion")
    with pytest.raises(CallerError, match="alias 'champion' points to it"):
        model.delete()
    model.delete_alias("champion")
    model.delete()


def test_an_alias_is_taken_away_only_from_where_it_points(mr):
    first = mr.python.create_model("iris").save("trained")
    second = mr.python.create_model("iris", metrics={"a": 1}).save("trained")
    second.set_alias("champion", reason="better")
    with pytest.raises(CallerError, match="points to version 2, not to 1"):
        first.delete_alias("champion")
    assert (first.aliases, second.aliases) == ([], ["champion"])
    first.delete_alias("gone")


def test_tags_are_set_read_and_taken_off(mr, site):
    model = mr.python.create_model("iris").save("trained")
    model.add_tag("approved", False)
    model.set_tag("approved", {"by": "ada"})
    assert model.get_tags() == {"approved": {"by": "ada"}}
    assert {entry.actor for entry in site.registry.references("iris").history()} == {site.actor}
    model.delete_tag("approved")
    assert model.get_tags() == {}


UNSAVED = (
    "created",
    "creator",
    "digest",
    "size",
    "files",
    "lineage",
    "environment",
    "program",
    "aliases",
    "model_path",
)


@pytest.mark.parametrize("part", UNSAVED)
def test_what_only_a_saved_model_has_says_so(mr, part):
    with pytest.raises(CallerError, match=r"Model 'iris' is not saved yet. Save it first"):
        getattr(mr.python.create_model("iris"), part)


@pytest.mark.parametrize("verb", ["download", "delete", "get_tags"])
def test_what_only_a_saved_model_does_says_so(mr, verb):
    with pytest.raises(CallerError, match="Model 'iris' is not saved yet"):
        getattr(mr.python.create_model("iris"), verb)()


def test_a_saved_model_is_not_saved_again(mr):
    with pytest.raises(CallerError, match=r"saved already, as version 1.*create_model"):
        mr.python.create_model("iris").save("trained").save("trained")


BAD: dict[str, tuple[dict[str, object], type[MoorageError], str]] = {
    "a name": ({"name": "ir-is"}, InvalidName, "Call it 'iris'"),
    "a number": (
        {"version": 3},
        CallerError,
        "Version 3 of model 'iris'.*claimed.*never chosen",
    ),
    "a metric": ({"metrics": {"accuracy": "high"}}, CallerError, "'accuracy' is str 'high'"),
    "an input example": ({"input_example": "abc"}, CallerError, "The input example is str 'abc'"),
    "a schema": ({"model_schema": "abc"}, CallerError, "The model schema is str 'abc'. A ModelSchema was expected"),
    "a tag's value": ({"tags": {"owner": {1}}}, CallerError, "'owner' cannot be written as JSON"),
    "a tag without a value": ({"tags": [{"name": "owner"}]}, CallerError, "has no name, or no value"),
    "a tag without a name": ({"tags": "owner"}, CallerError, "The tag .*owner.* has no name, or no value"),
    "data told twice": ({"training_data": 1, "feature_view": "f"}, CallerError, "told twice"),
}


@pytest.mark.parametrize(("said", "error", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_kept_is_refused_when_the_model_is_described(mr, said, error, message):
    with pytest.raises(error, match=message):
        mr.python.create_model(**{"name": "iris"} | said)


BAD_WHEN_SAVED: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "a path": ({}, {"model_path": "nowhere"}, "'nowhere' was found neither on this machine nor in the store"),
    "an empty folder": ({}, {"model_path": "empty"}, "holds no file"),
    "a long description": ({"description": "x" * 1001}, {}, "description: String should have at most 1000"),
    "a parent": ({"parent_version": 0}, {}, "parent_version: Input should be greater"),
    "training data": ({"training_data": {1}}, {}, "lineage cannot be written as JSON"),
    "a program": ({}, {"program": "nowhere.py"}, "'nowhere.py' cannot be read"),
    "an example that JSON cannot hold": (
        {"input_example": [float("nan")]},
        {},
        "input example cannot be written",
    ),
}


@pytest.mark.parametrize(("described", "saved", "message"), BAD_WHEN_SAVED.values(), ids=BAD_WHEN_SAVED.keys())
def test_what_cannot_be_saved_is_refused_before_anything_is_written(mr, site, described, saved, message):
    Path("empty").mkdir()
    model = mr.python.create_model("iris", **described)
    with pytest.raises(CallerError, match=message):
        model.save(**{"model_path": "trained"} | saved)
    assert list(site.store.list("")) == []
    assert model.version is None


def test_what_lies_in_the_store_is_not_moved(mr):
    mr.python.create_model("iris").save("trained", keep_original_files=False)
    with pytest.raises(CallerError, match="copied, never moved"):
        mr.python.create_model("iris").save("Projects/default/Models/iris/1/Files", keep_original_files=False)
    assert Path("trained/model.txt").exists()
