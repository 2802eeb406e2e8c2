"""What goes together with a transformer: the serving tool, its script, and how both components scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from moorage.deployment import DeploymentSpec
from moorage.errors import Violation
from moorage.resources import counts_requests
from moorage.rules.cluster import COMPONENT_RULES
from moorage.rules.facts import Facts
from moorage.rules.process import VARIABLES_ARE_FREE
from moorage.rules.rule import Rule, rule


@rule("22", "transformer", "serving_tool")
def _tool_transforms(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Only KSERVE has transformers."""
    able = facts.able(spec.serving_tool)
    if spec.transformer is not None and able is not None and not able.transforms:
        yield Violation(
            "22",
            "transformer",
            f"a transformer was given for {spec.serving_tool}.",
            "Only KSERVE runs one beside the predictor.",
            "Transform in the predictor script, or set serving_tool to KSERVE.",
        )


@rule("23", "transformer", "artifact_version")
def _transformer_has_its_script(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A transformer has a script, and a transformer script has a transformer."""
    if spec.transformer is None:
        if facts.has_transformer:
            yield Violation(
                "23",
                "transformer",
                f"artifact version {spec.artifact_version} has a transformer script, and no transformer was given.",
                "What resources it gets is said of each.",
                "Give one, `transformer: {}` for the defaults, or another artifact version.",
            )
    elif spec.transformer.script_file is None and not facts.has_transformer:
        yield Violation(
            "23",
            "transformer.script_file",
            "no transformer script was given.",
            "A transformer is a class Transformer, in a script or in the artifact version asked for.",
            "Give one, or leave transformer out.",
        )


@rule("L22", "transformer", "scaling", "resources")
def _both_run_in_one_mode(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """Predictor and transformer both scale by requests or to zero, or neither does.

    KServe runs all of an InferenceService in one mode.
    https://github.com/kserve/kserve/blob/v0.20.0/pkg/constants/constants.go
    """
    transformer = spec.transformer
    if transformer is None:
        return
    predictor_counts = counts_requests(spec.resources, spec.scaling)
    counts = counts_requests(transformer.resources, transformer.scaling)
    metric = None if transformer.scaling is None else transformer.scaling.metric
    if counts and not predictor_counts:
        yield Violation(
            "L22",
            "transformer.scaling",
            "the transformer scales by requests or to zero, and the predictor does not.",
            "Both run in one mode of KServe's.",
            "Let the predictor do so too, or scale the transformer by CPU or MEMORY from 1.",
        )
    elif predictor_counts and metric is not None and not metric.is_of_requests:
        yield Violation(
            "L22",
            "transformer.scaling.metric",
            f"the transformer scales by {metric}, and the predictor by requests or to zero.",
            "Both run in one mode of KServe's.",
            "Set it to CONCURRENCY or RPS.",
        )


@rule("L23", "transformer", "rollout")
def _no_share_of_two(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """A canary's share is of predictors alone: what reaches a new transformer might reach an old predictor."""
    if spec.transformer is not None and spec.rollout.canary_percent is not None:
        yield Violation(
            "L23",
            "rollout.canary_percent",
            "a share of the requests was asked for, and a transformer was given.",
            "KServe routes to each component by itself: a request could meet a new transformer and an old predictor.",
            "Leave it out, or transform in the predictor script.",
        )


# What is asked of each component alike.
_OF_A_COMPONENT: Final = (*COMPONENT_RULES, VARIABLES_ARE_FREE)


@rule(" ".join(number for each in _OF_A_COMPONENT for number in each.numbers), "transformer")
def _is_a_component(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A transformer's resources, scaling and variables obey the rules of the predictor's."""
    transformer = spec.transformer
    able = facts.able(spec.serving_tool)
    if transformer is None or able is None or not able.transforms:
        return
    alike = {name: getattr(transformer, name) for name in ("resources", "scaling", "env_vars")}
    as_predictor = spec.model_copy(update=alike)
    for each in _OF_A_COMPONENT:
        for found in each.find(as_predictor, facts):
            yield replace(found, field=f"transformer.{found.field}")


TRANSFORMER_RULES: Final[tuple[Rule, ...]] = (
    _tool_transforms,
    _transformer_has_its_script,
    _both_run_in_one_mode,
    _no_share_of_two,
    _is_a_component,
)
