"""What vLLM is started with, and what does not stand before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from moorage.deployment import DeploymentSpec
from moorage.errors import Violation
from moorage.predictor import Framework, ModelServer
from moorage.rules.facts import Facts
from moorage.rules.rule import Rule, rule
from moorage.rules.serving import model_server_of
from moorage.server_config import SUFFIXES


@rule("17", "config_file", "script_file", "artifact_version", "model")
def _vllm_is_configured(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """An LLM without a predictor script has a configuration file in YAML, which vLLM is started with."""
    if facts.framework is not Framework.LLM or spec.script_file is not None or spec.artifact_version:
        return
    if spec.config_file is None or not spec.config_file.endswith(SUFFIXES):
        found = "there is none." if spec.config_file is None else f"{spec.config_file!r} is no YAML file."
        yield Violation(
            "17",
            "config_file",
            found,
            "Without a predictor script vLLM is started with a configuration file, whose name ends in .yaml or .yml.",
            "Give one, or a script_file.",
        )


@rule("L27", "config_file", "model")
def _vllm_can_be_started(_: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """The configuration file that vLLM is started with holds options of its own, and none that Moorage gives it."""
    problem = facts.config_problem
    if problem is not None:
        yield Violation("L27", "config_file", problem.what, problem.expected, problem.mend)


@rule("43", "transformer", "inference_logger", "inference_batcher", "model")
def _vllm_stands_alone(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Before vLLM there is no transformer, no inference logger and no batcher: it is asked by OpenAI's API."""
    if facts.framework is None or model_server_of(spec, facts.framework) is not ModelServer.VLLM:
        return
    given = {
        "transformer": spec.transformer is not None,
        "inference_logger": spec.inference_logger is not None and spec.inference_logger.logs,
        "inference_batcher": spec.inference_batcher.enabled,
    }
    mend = {"transformer": "Change requests in a predictor script", "inference_batcher": "vLLM batches by itself"}
    for field in (field for field, there in given.items() if there):
        yield Violation(
            "43",
            field,
            "it was given for a model that vLLM serves.",
            "These three stand before model servers that predict.",
            f"{mend.get(field, 'Log what you ask')}, and leave it out.",
        )


VLLM_RULES: Final[tuple[Rule, ...]] = (
    _vllm_is_configured,
    _vllm_can_be_started,
    _vllm_stands_alone,
)
