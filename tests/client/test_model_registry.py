from __future__ import annotations

import numpy as np
import pytest

import moorage
from moorage.client.model_registry import ModelRegistry
from moorage.errors import CallerError, InvalidName, NotFound


@pytest.fixture
def flowers(mr: ModelRegistry) -> ModelRegistry:
    """Four versions of iris, one of them without a loss, and one of roses."""
    for metrics in ({"loss": 0.3}, {"loss": 0.1}, {"accuracy": 0.9}, {"loss": 0.1, "accuracy": 0.8}):
        mr.sklearn.create_model("iris", metrics=metrics).save("trained", program="", environment="")
    mr.llm.create_model("roses").save("trained", program="", environment="")
    return mr


def test_a_model_is_found_by_number_alias_or_as_the_newest(flowers):
    flowers.set_alias("iris", "champion", 2)
    wanted = (None, "latest", 1, np.int64(3), "4", "champion")
    found = [flowers.get_model("iris", version) for version in wanted]
    assert [model.version for model in found] == [4, 4, 1, 3, 4, 2]
    assert found[2].training_metrics == {"loss": 0.3}


@pytest.mark.parametrize(("name", "version"), [("tulips", None), ("iris", 9), ("iris", "champion"), ("iris", 0)])
def test_a_model_that_there_is_not_is_none(flowers, name, version):
    assert flowers.get_model(name, version) is None


def test_a_name_that_no_model_can_have_and_a_version_that_is_none_are_errors(mr):
    with pytest.raises(InvalidName, match="Model name 'ir-is'"):
        mr.get_model("ir-is")
    with pytest.raises(CallerError, match=r"Version 1.0 is float. A number, an alias or 'latest'"):
        mr.get_model("iris", 1.0)


def test_all_versions_are_listed_the_newest_first(flowers):
    assert [model.version for model in flowers.get_models("iris")] == [4, 3, 2, 1]
    assert flowers.get_models("tulips") == []


def test_a_listed_model_has_all_that_a_found_one_has(flowers):
    listed, found = flowers.get_models("iris")[0], flowers.get_model("iris", 4)
    for part in (
        "digest",
        "size",
        "training_metrics",
        "framework",
        "created",
        "creator",
        "files",
        "lineage",
        "program",
    ):
        assert getattr(listed, part) == getattr(found, part)


def test_without_a_name_every_model_is_listed_with_its_newest_version(flowers):
    assert [(model.id, model.framework) for model in flowers.get_models()] == [
        ("iris_4", "SKLEARN"),
        ("roses_1", "LLM"),
    ]


BEST = {
    "the largest": ("accuracy", "max", 3),
    "the smallest, of equals the newest": ("loss", "min", 4),
    "in any case": ("loss", "MAX", 1),
    "a metric that none has": ("f1", "max", None),
}


@pytest.mark.parametrize(("metric", "direction", "version"), BEST.values(), ids=BEST.keys())
def test_the_best_model_is_the_one_with_the_best_value_and_never_one_without(flowers, metric, direction, version):
    best = flowers.get_best_model("iris", metric, direction)
    assert (best and best.version) == version


def test_the_best_of_no_versions_is_none(flowers):
    assert flowers.get_best_model("tulips", "loss", "min") is None


@pytest.mark.parametrize("direction", ["best", "", None])
def test_a_direction_that_there_is_not_is_told_with_both_that_there_are(flowers, direction):
    with pytest.raises(CallerError, match=r"'max' or 'min' is expected"):
        flowers.get_best_model("iris", "loss", direction)


def test_aliases_move_together_in_one_write(flowers, site):
    flowers.set_aliases("iris", {"champion": 1, "challenger": "latest"}, reason="a start")
    flowers.set_aliases("iris", {"champion": "challenger", "challenger": None})
    [first, second] = site.registry.references("iris").history()
    assert (first.state.aliases, first.reason, first.actor) == ({"champion": 1, "challenger": 4}, "a start", site.actor)
    assert second.state.aliases == {"champion": 4}


def test_an_alias_is_not_moved_to_a_version_that_there_is_not(flowers, site):
    with pytest.raises(NotFound, match="no version 9"):
        flowers.set_aliases("iris", {"champion": 1, "challenger": 9})
    assert site.registry.references("iris").history() == []


def test_each_framework_has_its_module(mr):
    modules = (mr.python, mr.sklearn, mr.torch, mr.tensorflow, mr.llm)
    found = [module.create_model("iris").framework for module in modules]
    assert found == ["PYTHON", "SKLEARN", "TORCH", "TENSORFLOW", "LLM"]


def test_a_project_has_its_own_models(flowers):
    other = moorage.login("fraud").get_model_registry()
    assert (other.project_name, other.get_models()) == ("fraud", [])


def test_logging_in_says_at_once_what_is_wrong_with_the_settings(trained, monkeypatch):
    monkeypatch.setenv("MOORAGE_STOER", "s3://models")
    with pytest.raises(InvalidName, match="MOORAGE_STOER"):
        moorage.login()
