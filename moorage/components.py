"""The further components of a model deployment, beside its predictor."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final

from pydantic import Field, field_validator

from moorage.noun import Noun, Word
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


class ApiProtocol(Word):
    """How users ask a deployment."""

    REST = "REST"
    GRPC = "GRPC"


class LogMode(Word):
    """What of each exchange is logged."""

    NONE = "NONE"
    ALL = "ALL"
    MODEL_INPUTS = "MODEL_INPUTS"
    PREDICTIONS = "PREDICTIONS"


ANY_MODE: Final = frozenset({LogMode.ALL, LogMode.MODEL_INPUTS, LogMode.PREDICTIONS})
# Names of topics that are none: one is made, or there is none.
CREATE: Final = "CREATE"
NO_TOPIC: Final = "NONE"


class KafkaTopic(Noun):
    """Where exchanges are logged to; one may be given by its name alone."""

    spellings: ClassVar[Mapping[str, str]] = {"num_replicas": "replicas", "num_partitions": "partitions"}
    alone: ClassVar[str] = "name"

    name: str = Field(
        CREATE,
        pattern=r"^[A-Za-z0-9._-]+$",
        max_length=249,
        title="Name",
        description="Of a topic that there is; CREATE: one of the deployment's own is made; NONE: nothing is logged.",
    )
    partitions: int | None = Field(
        None, title="Partitions", description="Of a topic that is made; None: as many as the broker makes."
    )
    replicas: int | None = Field(
        None,
        title="Replicas",
        description="Of each partition that is made; None: as many as the broker makes.",
    )

    @field_validator("name")
    @classmethod
    def _words_in_any_case(cls, name: str) -> str:
        return name.upper() if name.upper() in (CREATE, NO_TOPIC) else name


class InferenceLogger(Noun):
    """What a model is asked and what it answers goes to a Kafka topic; it may be given by its mode alone."""

    alone: ClassVar[str] = "mode"

    mode: LogMode = Field(
        LogMode.ALL,
        title="Mode",
        description="MODEL_INPUTS: what the predictor is asked. PREDICTIONS: what it answers. ALL: both.",
    )
    kafka_topic: KafkaTopic | None = Field(
        None, title="Kafka topic", description="None: CREATE, where anything is logged."
    )

    @property
    def logs(self) -> bool:
        """Whether anything is."""
        return self.mode is not LogMode.NONE

    @property
    def topic(self) -> KafkaTopic:
        """The topic that holds."""
        if self.kafka_topic is not None:
            return self.kafka_topic
        return KafkaTopic() if self.logs else KafkaTopic(name=NO_TOPIC)

    def topic_of(self, project: str, deployment: str) -> KafkaTopic:
        """The topic that a deployment's exchanges go to, its name filled in.

        It is the same for every revision, so that what reads it goes on.
        """
        topic = self.topic
        own = f"{project}-{deployment}-inf"
        return topic.model_copy(update={"name": own}) if topic.name == CREATE else topic


class Transformer(Noun):
    """A component before the predictor, which changes requests on their way there, and answers on their way back."""

    spellings: ClassVar[Mapping[str, str]] = {"scaling_configuration": "scaling"}

    script_file: str | None = Field(
        None,
        title="Transformer script",
        description="Path of a .py or .ipynb file with a class Transformer. None: that of the artifact version asked "
        "for.",
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
