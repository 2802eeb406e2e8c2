"""Model servers that are not ours, in pods, whose images are built on one that stands in for the official ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from moorage.client.model_registry import ModelRegistry
from moorage.errors import ProvisionFailed
from moorage.predictor import ServingTool
from moorage.serving.cluster.backend import ClusterBackend
from moorage.site import Site
from moorage.startup import Cause
from tests.cluster.conftest import backend_of, remove

NAME = "double"


@pytest.fixture
def backend(site: Site, tool: ServingTool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterBackend]:
    monkeypatch.chdir(tmp_path)
    backend = backend_of(site, tool)
    yield backend
    remove(backend, NAME)


def tensorflow_model(site: Site, folder: Path, factor: str = "2") -> Any:
    saved = folder / "saved"
    (saved / "variables").mkdir(parents=True, exist_ok=True)
    (saved / "variables" / "variables.index").write_text("x")
    (saved / "saved_model.pb").write_text(factor)
    return ModelRegistry(site).tensorflow.create_model("net", input_example=[[1, 2]]).save(str(saved))


def test_a_language_model_is_served_by_vllm_and_one_that_cannot_be_started_never(
    site: Site, backend: ClusterBackend, tmp_path: Path
) -> None:
    if backend.shape.tool is not ServingTool.KSERVE:
        return  # rule 21
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "words.json").write_text(json.dumps({"hello": "Aye,"}))
    config = tmp_path / "vllm.yaml"
    config.write_text("max-model-len: 256\n")
    model = ModelRegistry(site).llm.create_model("roses").save(str(tmp_path / "model"))
    requests = [{"inputs": "ships", "expect": "Aye, ships"}]
    model.deploy(NAME, serving_tool="KSERVE", config_file=str(config), smoke_test={"requests": requests})
    assert said(backend, "tides") == ("Aye, tides", "1")
    config.write_text("max-model-length: 256\n")
    with pytest.raises(ProvisionFailed) as failure:
        model.deploy(NAME, serving_tool="KSERVE", config_file=str(config))
    verdict = failure.value.verdict
    assert verdict.cause is Cause.CRASHED
    assert "unrecognized arguments: --max-model-length" in verdict.summary
    assert said(backend, "tides") == ("Aye, tides", "1")


def said(backend: ClusterBackend, prompt: str) -> tuple[str, str]:
    """What it answers, in OpenAI's API, and which revision says so."""
    with backend.reach(NAME) as address:
        assert address is not None
        body = {"model": NAME, "prompt": prompt}
        answer = httpx.post(f"{address.url}/v1/completions", json=body, timeout=30, trust_env=False)
    return answer.json()["choices"][0]["text"], answer.headers["moorage-revision"]


def test_a_tensorflow_model_goes_online_and_one_that_cannot_be_read_never(
    site: Site, backend: ClusterBackend, tmp_path: Path
) -> None:
    model = tensorflow_model(site, tmp_path)
    deployment = model.deploy(NAME, serving_tool=backend.shape.tool, inference_batcher={"enabled": True})
    assert deployment.predict(inputs=[[3, 4]]) == {"predictions": [[6, 8]]}
    broken = tensorflow_model(site, tmp_path, factor="no number")
    with pytest.raises(ProvisionFailed, match="TensorFlow Serving ended with exit code 1"):
        broken.deploy(NAME, serving_tool=backend.shape.tool)
    assert deployment.predict(inputs=[[3, 4]]) == {"predictions": [[6, 8]]}


def test_a_tensorflow_model_may_have_a_transformer(site: Site, backend: ClusterBackend, tmp_path: Path) -> None:
    if backend.shape.tool is not ServingTool.KSERVE:
        return  # rule 22
    (tmp_path / "transformer.py").write_text(
        "class Transformer:\n    def postprocess(self, outputs):\n        return [sum(each) for each in outputs]\n"
    )
    deployment = tensorflow_model(site, tmp_path).deploy(
        NAME, serving_tool="KSERVE", transformer={"script_file": str(tmp_path / "transformer.py")}
    )
    assert deployment.predict(inputs=[[3, 4]]) == {"predictions": [14]}
