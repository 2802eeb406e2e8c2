"""`moorage model …` over a real store."""

import json
from pathlib import Path

from moorage.predictor import Framework, ModelSource
from moorage.site import Site
from tests.cli.terminal import moorage


def register(site: Site, folder: Path, **metrics: float) -> None:
    (folder / "weights").write_text("2")
    source = ModelSource(path=str(folder / "weights"), framework=Framework.SKLEARN, metrics=metrics)
    site.registry.publish("iris_classifier", source)


def test_no_models_are_said_so(site):
    assert "No models yet." in moorage("model", "list")


def test_the_models_are_shown_with_their_newest_version(site, tmp_path):
    register(site, tmp_path)
    register(site, tmp_path, f1=0.12345)
    line = moorage("model", "list").splitlines()[1].split()
    assert line[:6] == ["iris_classifier", "2", "SKLEARN", "1", "B", "f1=0.1235"]


def test_square_brackets_in_a_metric_are_shown_as_they_are(site, tmp_path):
    register(site, tmp_path, **{"f1[macro]": 0.5})
    assert "f1[macro]=0.5" in moorage("model", "list")


def test_the_models_as_json_have_their_digests(site, tmp_path):
    register(site, tmp_path, f1=0.5)
    [model] = json.loads(moorage("model", "list", "--json"))
    assert (model["name"], model["version"], model["metrics"]) == ("iris_classifier", 1, {"f1": 0.5})
    assert model["digest"] == site.registry.get("iris_classifier").digest
