"""Domain values that tests start from; each test says only what matters to it."""

from typing import Any

from moorage.deployment import DeploymentSpec, ResolvedArtifact, ResolvedModel, Revision
from moorage.predictor import Framework, ModelServer, ServingTool


def a_spec(**changes: Any) -> DeploymentSpec:
    return DeploymentSpec.model_validate(
        {"name": "iris", "model": {"name": "iris_classifier"}, "script_file": "predictor.py"} | changes
    )


def a_model(version: int = 1, name: str = "iris_classifier") -> ResolvedModel:
    return ResolvedModel(name=name, version=version, digest="sha256:" + "aa" * version, framework=Framework.SKLEARN)


def a_revision(number: int = 1, **changes: Any) -> Revision:
    values: dict[str, Any] = {
        "project": "default",
        "deployment": "iris",
        "number": number,
        "model": a_model(),
        "artifact": ResolvedArtifact(version=1, digest="sha256:bb", script_file="predictor.py"),
        "model_server": ModelServer.PYTHON,
        "serving_tool": ServingTool.LOCAL,
        "environment": "pandas-inference-pipeline",
    }
    return Revision(**(values | changes))
