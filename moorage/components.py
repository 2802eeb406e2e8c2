"""The further components of a model deployment, beside its predictor."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from moorage.noun import Noun
from moorage.predictor import EnvVars
from moorage.resources import PredictorResources, Scaling, least_instances


class Component(StrEnum):
    """What a model deployment is made of; each scales apart."""

    PREDICTOR = "predictor"
    TRANSFORMER = "transformer"


class InferenceBatcher(Noun):
    """Rows of several requests are predicted in one call of the script: more of them a second, each a little later."""

    spellings: ClassVar[Mapping[str, str]] = {"max_latency": "max_latency_ms", "timeout": "timeout_s"}

    enabled: bool = Field(False, title="Enabled", description="Only for LOCAL and KSERVE.")
    max_batch_size: int = Field(
        32, ge=1, le=100_000, title="Largest batch", description="In rows; a request with more is a batch of its own."
    )
    max_latency_ms: int = Field(
        50, ge=1, le=60_000, title="Longest wait", description="Milliseconds that rows wait for those of others."
    )
    timeout_s: float = Field(
        60, gt=0, le=3600, title="Timeout", description="Seconds until a request is told that its answer is too late."
    )


class Transformer(Noun):
    """A component before the predictor, which changes requests on their way there, and answers on their way back."""

    spellings: ClassVar[Mapping[str, str]] = {"scaling_configuration": "scaling"}

    script_file: str | None = Field(
        None,
        title="Transformer script",
        description="Path of a .py file with a class Transformer. None: that of the artifact version asked for.",
    )
    env_vars: EnvVars = Field(
        (),
        title="Environment variables",
        description="What its script finds in its environment; the predictor's apart.",
    )
    resources: PredictorResources = Field(
        PredictorResources(), title="Resources", description="How many instances of it there are, and what each gets."
    )
    scaling: Scaling | None = Field(None, title="Scaling", description="None: a fixed number of instances.")

    @property
    def least_instances(self) -> int:
        """How many instances there are at least; 0: it scales to zero."""
        return least_instances(self.resources, self.scaling)
