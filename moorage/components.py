"""The further components of a model deployment, beside its predictor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from moorage.noun import Noun


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
