"""How much a component gets, how many of it there are, and where in a cluster it may run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final

from pydantic import Field, ValidationInfo, field_validator, model_validator

from moorage.noun import Noun, Word

UNLIMITED: Final = -1
# What Hopsworks' client gives when no limit is named; never less than what is requested.
_LIMIT_CORES: Final = 2.0
_LIMIT_MEMORY_MB: Final = 1024


class Resources(Noun):
    """An amount of each resource, as `requests` or `limits` of `PredictorResources` take it; None: their default."""

    spellings: ClassVar[Mapping[str, str]] = {"memory": "memory_mb"}

    cores: float | None = None
    memory_mb: int | None = None
    gpus: int | None = None


class _Amounts(Noun):
    """Fields that may be given as one `Resources`."""

    @model_validator(mode="before")
    @classmethod
    def _of_resources(cls, given: Any) -> Any:
        return given.model_dump(exclude_none=True) if isinstance(given, Resources) else given


class Requests(_Amounts):
    """What one instance is sure to get; the scheduler finds a node that has it free."""

    spellings: ClassVar[Mapping[str, str]] = {"memory": "memory_mb"}

    cores: float = Field(0.2, ge=0.01, le=1024, title="Cores", description="Of a CPU; 0.5 is half of one.")
    memory_mb: int = Field(32, ge=4, le=16_777_216, title="Memory", description="In MB (2^20 bytes).")
    gpus: int = Field(0, ge=0, le=64, title="GPUs", description="NVIDIA's; whole ones, for they are not shared.")


class Limits(_Amounts):
    """What one instance can get at most; of GPUs it gets what it requests, for they are not shared."""

    spellings: ClassVar[Mapping[str, str]] = {"memory": "memory_mb"}

    cores: float | None = Field(
        None,
        ge=UNLIMITED,
        le=1024,
        title="Cores",
        description="None: 2, or the request where that is more; -1: no limit.",
    )
    memory_mb: int | None = Field(
        None,
        ge=UNLIMITED,
        le=16_777_216,
        title="Memory",
        description="In MB (2^20 bytes). None: 1024, or the request where that is more; -1: no limit.",
    )
    gpus: int | None = Field(
        None, ge=0, le=64, title="GPUs", description="None: as many as are requested; another number is refused."
    )


class PredictorResources(Noun):
    """How many instances of a component there are, and what each of them gets."""

    spellings: ClassVar[Mapping[str, str]] = {"num_instances": "instances"}

    instances: int = Field(
        1, ge=0, le=1000, title="Instances", description="A fixed number, unless scaling is given; 0: scale to zero."
    )
    requests: Requests = Field(Requests(), title="Requests")
    limits: Limits = Field(Limits(), title="Limits")
    shared_memory_mb: int | None = Field(
        None,
        ge=1,
        le=1_048_576,
        title="Shared memory",
        description="What /dev/shm holds, in MB; it counts as memory. None: the container runtime's 64.",
    )

    @field_validator("limits")
    @classmethod
    def _what_goes_without_saying(cls, limits: Limits, info: ValidationInfo) -> Limits:
        requests = info.data.get("requests")
        same = isinstance(requests, Requests) and limits.gpus == requests.gpus
        # so that saying it makes no other revision
        return limits.model_copy(update={"gpus": None}) if same else limits

    @property
    def limit_cores(self) -> float | None:
        """The limit that holds, in cores; None: there is none."""
        given = self.limits.cores
        if given is None:
            return max(_LIMIT_CORES, self.requests.cores)
        return None if given == UNLIMITED else given

    @property
    def limit_memory_mb(self) -> int | None:
        """The limit that holds, in MB; None: there is none."""
        given = self.limits.memory_mb
        if given is None:
            return max(_LIMIT_MEMORY_MB, self.requests.memory_mb)
        return None if given == UNLIMITED else given


class ScaleMetric(Word):
    """What decides how many instances there are."""

    CPU = "CPU"
    MEMORY = "MEMORY"
    CONCURRENCY = "CONCURRENCY"
    RPS = "RPS"

    @property
    def is_of_requests(self) -> bool:
        """Whether requests are counted, which only Knative's autoscaler does."""
        return self in (ScaleMetric.CONCURRENCY, ScaleMetric.RPS)

    @property
    def default_target(self) -> int:
        """Per cent of the request for CPU and MEMORY, requests an instance for the others; Hopsworks' figures."""
        return {ScaleMetric.CONCURRENCY: 100, ScaleMetric.RPS: 200}.get(self, 80)


class Scaling(Noun):
    """How the number of instances follows the load."""

    spellings: ClassVar[Mapping[str, str]] = {
        "scale_metric": "metric",
        "scale_to_zero_retention_seconds": "retention_s",
        "stable_window_seconds": "stable_window_s",
        "panic_window_percentage": "panic_window_percent",
        "panic_threshold_percentage": "panic_threshold_percent",
    }

    min_instances: int = Field(
        1, ge=0, le=1000, title="Least", description="0: none while nobody asks; the next request starts one (KSERVE)."
    )
    max_instances: int = Field(1, ge=1, le=1000, title="Most", description="Not under the least.")
    metric: ScaleMetric = Field(
        ScaleMetric.CPU,
        title="Metric",
        description="CPU or MEMORY in use, in % of the request; requests at once (CONCURRENCY) or a second (RPS).",
    )
    target: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        title="Target",
        description="What each instance is kept at. None: 80 % of CPU or MEMORY, 100 of CONCURRENCY, 200 of RPS.",
    )
    retention_s: int = Field(
        0, ge=0, le=3600, title="Retention", description="Seconds that the last instance stays after it became idle."
    )

    # The bounds of the next three are Knative's: https://knative.dev/docs/serving/autoscaling/kpa-specific/
    stable_window_s: int | None = Field(
        None,
        ge=6,
        le=3600,
        title="Stable window",
        description="Seconds of requests that are averaged, and without one before the last instance goes. None: 60.",
    )
    panic_window_percent: float | None = Field(
        None,
        ge=1,
        le=100,
        title="Panic window",
        description="Per cent of the stable window that is averaged to notice a burst. None: 10.",
    )
    panic_threshold_percent: float | None = Field(
        None,
        ge=110,
        le=1000,
        title="Panic threshold",
        description="Per cent of what the instances can take from which it is a burst. None: 200.",
    )

    @property
    def wanted(self) -> int:
        """The target that holds."""
        return self.metric.default_target if self.target is None else self.target


def least_instances(resources: PredictorResources, scaling: Scaling | None) -> int:
    """How many instances of a component there are at least; 0: it scales to zero."""
    return resources.instances if scaling is None else scaling.min_instances


def counts_requests(resources: PredictorResources, scaling: Scaling | None) -> bool:
    """Whether requests decide how many instances there are, which takes Knative's autoscaler."""
    return least_instances(resources, scaling) == 0 or (scaling is not None and scaling.metric.is_of_requests)


# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
_LABEL_VALUE: Final = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
_LABEL_KEY: Final = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it; the empty one stands for all."""

    ALL = ""
    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Noun):
    """A taint of nodes that does not keep this deployment away."""

    key: str = Field(pattern=rf"^{_LABEL_KEY}$", title="Key", description="nvidia.com/gpu, for example.")
    value: str | None = Field(
        None, pattern=rf"^{_LABEL_VALUE}$", title="Value", description="None: whatever the taint's value is."
    )
    effect: TaintEffect = Field(TaintEffect.ALL, title="Effect", description="Empty: whatever the taint's effect is.")


class Placement(Noun):
    """Which nodes of the cluster it may run on."""

    node_selector: dict[str, str] = Field(
        default={}, title="Node selector", description="Labels that the node must have, all of them."
    )
    tolerations: tuple[Toleration, ...] = Field((), title="Tolerations")

    @field_validator("node_selector")
    @classmethod
    def _labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for key, value in labels.items():
            if not re.fullmatch(_LABEL_KEY, key) or not re.fullmatch(_LABEL_VALUE, value):
                raise ValueError(f"{key}: {value} is no label that a node can have")
        return dict(sorted(labels.items()))
