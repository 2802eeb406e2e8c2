"""Domain values that tests start from; each test says only what matters to it."""

import json
from typing import Any

from moorage.deployment import DeploymentSpec, ResolvedArtifact, ResolvedModel, Revision
from moorage.predictor import Framework, ModelServer, ServingTool


def a_spec(**changes: Any) -> DeploymentSpec:
    return DeploymentSpec.model_validate(
        {"name": "iris", "model": {"name": "iris_classifier"}, "script_file": "predictor.py"} | changes
    )


def a_notebook(*cells: str) -> str:
    """One with a title, and these code cells."""
    title = {"cell_type": "markdown", "metadata": {}, "source": ["# How it is done\n", "!really"]}
    code: list[dict[str, Any]] = [
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": cell.splitlines(True)}
        for cell in cells
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [title, *code]})


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
