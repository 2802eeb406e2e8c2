"""What is asked for (`DeploymentSpec`), what was resolved from it (`Revision`), and how it stands (`State`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, StringConstraints, model_validator

from moorage.components import ApiProtocol, InferenceBatcher, InferenceLogger, KafkaTopic, Transformer
from moorage.errors import CallerError
from moorage.names import (
    DEPLOYMENT_NAME_MAX,
    DEPLOYMENT_NAME_PATTERN,
    ENVIRONMENT_NAME_PATTERN,
    QUEUE_NAME_PATTERN,
)
from moorage.noun import Noun, Word
from moorage.predictor import (
    EnvVar,
    EnvVars,
    Framework,
    LocalOptions,
    ModelRef,
    ModelServer,
    ServingTool,
    environment_for,
)
from moorage.resources import Placement, PredictorResources, Scaling, least_instances


class SmokeRequest(Noun):
    """One question to the new revision, and what it should answer."""

    inputs: Any = Field(None, title="Inputs", description="Rows to predict: [[5.1, 3.5, 1.4, 0.2]].")
    data: dict[str, Any] | None = Field(
        None, title="Data", description="A whole V1 body instead of inputs: {instances: […]}."
    )
    expect: Any = Field(None, title="Expected", description="The predictions it must answer; None: any answer will do.")
    tolerance: float = Field(
        1e-6, ge=0, title="Tolerance", description="How far a number may lie off, relative and absolute."
    )

    @model_validator(mode="after")
    def _one_of_inputs_and_data(self) -> SmokeRequest:
        if (self.inputs is None) == (self.data is None):
            raise ValueError("give exactly one of inputs and data")
        return self


class SmokeTest(Noun):
    """How a new revision is proven before it is promoted."""

    requests: tuple[SmokeRequest, ...] = Field(
        (), title="Requests", description="None: the model's input example is asked."
    )
    timeout_s: float = Field(
        30, gt=0, le=600, title="Timeout", description="Seconds for each request; another number is no new revision."
    )


class OnFailure(Word):
    """What happens to a revision that could not be proven."""

    RESTORE = "RESTORE"
    KEEP = "KEEP"


class Strategy(Word):
    """How a new revision takes the place of the old one in a cluster."""

    AUTO = "AUTO"
    ROLLING = "ROLLING"
    RECREATE = "RECREATE"


class Rollout(Noun):
    """How a new revision goes online; that it should go otherwise makes no new revision."""

    on_failure: OnFailure = Field(
        OnFailure.RESTORE,
        title="On failure",
        description="RESTORE: the last good revision is applied again. KEEP: leave it as it is, to be looked at.",
    )
    ready_timeout_s: float = Field(
        600, gt=0, le=86_400, title="Ready timeout", description="Seconds until the new revision must answer."
    )
    strategy: Strategy = Field(
        Strategy.AUTO,
        title="Strategy",
        description=(
            "ROLLING: the new one starts beside the old one, or the deploy is refused where both do not fit. RECREATE:"
            " the old one is stopped first. AUTO: ROLLING where both fit, else RECREATE. LOCAL always starts it beside."
        ),
    )
    canary_percent: int | None = Field(
        None,
        ge=1,
        le=99,
        title="Canary share",
        description=(
            "Percent of the requests that the new revision gets until it is promoted; None: all, once it is ready."
            " Only for KSERVE in Knative mode."
        ),
    )
    canary_s: float = Field(
        60,
        ge=0,
        le=86_400,
        title="Canary time",
        description="Seconds that it is watched with that share, before it is proven once more and gets them all.",
    )
    take_over: bool = Field(
        False,
        title="Take over",
        description="Overwrite what others changed on the cluster's objects, instead of refusing the deploy.",
    )


class DeploymentSpec(Noun):
    """A model deployment as its owner declares it: the YAML file, the arguments, and the form are this one thing."""

    spellings: ClassVar[Mapping[str, str]] = {"scaling_configuration": "scaling"}

    name: Annotated[str, StringConstraints(pattern=DEPLOYMENT_NAME_PATTERN, max_length=DEPLOYMENT_NAME_MAX)] = Field(
        title="Name", description="Letters and digits only."
    )
    model: ModelRef = Field(title="Model")
    description: str = Field("", max_length=1000, title="Description", description="What it is for, for people.")
    model_server: ModelServer | None = Field(
        None, title="Model server", description="None: the one that serves the model's framework."
    )
    serving_tool: ServingTool = Field(ServingTool.LOCAL, title="Serving tool", description="Where it runs.")
    script_file: str | None = Field(
        None, title="Predictor script", description="Path of a .py file with a class Predictor."
    )
    config_file: str | None = Field(
        None, title="Server configuration file", description="Path; the script finds it at CONFIG_FILE_PATH."
    )
    further_files: tuple[str, ...] = Field(
        (),
        title="Further files",
        description="Paths of what the script needs beside it: modules, and folders with all that is in them.",
    )
    environment: str | None = Field(
        None,
        pattern=ENVIRONMENT_NAME_PATTERN,
        title="Environment",
        description="Python environment that the model server runs in. None: the one that is made for it.",
    )
    artifact_version: int | None = Field(
        None, ge=0, title="Artifact version", description="None: reuse the version with the same files, else create."
    )
    env_vars: EnvVars = Field(
        (),
        title="Environment variables",
        description="What the script finds in its environment beside what is built in.",
    )
    resources: PredictorResources = Field(
        PredictorResources(), title="Resources", description="Only for KSERVE and KUBERNETES."
    )
    scaling: Scaling | None = Field(
        None, title="Scaling", description="None: a fixed number of instances. Only for KSERVE and KUBERNETES."
    )
    queue: str | None = Field(
        None,
        pattern=QUEUE_NAME_PATTERN,
        max_length=DEPLOYMENT_NAME_MAX,
        title="Queue",
        description="Name of the Kueue LocalQueue that its instances wait in. Only for KSERVE and KUBERNETES.",
    )
    placement: Placement = Field(Placement(), title="Placement", description="Only for KSERVE and KUBERNETES.")
    transformer: Transformer | None = Field(
        None, title="Transformer", description="Changes requests and answers on their way. Only for KSERVE."
    )
    inference_logger: InferenceLogger | None = Field(
        None, title="Inference logger", description="What it is asked and answers goes to a Kafka topic. None: nowhere."
    )
    inference_batcher: InferenceBatcher = Field(
        InferenceBatcher(), title="Inference batcher", description="Rows of several requests are predicted together."
    )
    api_protocol: ApiProtocol = Field(
        ApiProtocol.REST,
        title="API protocol",
        description="GRPC: tensors are answered too, by gRPC. Only for KSERVE, without a transformer.",
    )
    local: LocalOptions = Field(LocalOptions(), title="Local options", description="Only for LOCAL.")
    rollout: Rollout = Field(Rollout(), title="Rollout")
    smoke_test: SmokeTest = Field(SmokeTest(), title="Smoke test")


class ResolvedModel(Noun):
    """One model version, nailed down by the digest of its files."""

    name: str
    version: int
    digest: str
    framework: Framework


class ResolvedArtifact(Noun):
    """One artifact version, nailed down by the digest of its files; version 0 has no files and no digest."""

    version: int
    digest: str = ""
    script_file: str | None = None
    transformer_file: str | None = None
    config_file: str | None = None


class Revision(Noun):
    """One resolved, immutable specification of a model deployment; numbered from 1 in the ledger.

    Attributes:
        image: the container image that `environment` stands for; empty where there are no containers.
    """

    project: str
    deployment: str
    number: int = Field(ge=1)
    model: ResolvedModel
    artifact: ResolvedArtifact
    model_server: ModelServer
    serving_tool: ServingTool
    environment: str
    env_vars: tuple[EnvVar, ...] = ()
    image: str = ""
    resources: PredictorResources = PredictorResources()
    scaling: Scaling | None = None
    queue: str | None = None
    placement: Placement = Placement()
    transformer: Transformer | None = None
    inference_logger: InferenceLogger | None = None
    inference_batcher: InferenceBatcher = InferenceBatcher()
    api_protocol: ApiProtocol = ApiProtocol.REST
    local: LocalOptions = LocalOptions()
    rollout: Rollout = Rollout()
    smoke_requests: tuple[SmokeRequest, ...] = ()
    smoke_timeout_s: float = 30

    @property
    def digest(self) -> str:
        """What tells two revisions apart: all that changes what runs or how it is proven; not number and patience."""
        # without defaults: an option that is new to Moorage leaves the digests of earlier revisions as they are
        excluded = {"number", "rollout", "smoke_timeout_s"}
        return digest_of(self.model_dump(mode="json", exclude=excluded, exclude_defaults=True))

    @property
    def least_instances(self) -> int:
        """How many instances there are at least; 0: it scales to zero."""
        return least_instances(self.resources, self.scaling)

    @property
    def log_topic(self) -> KafkaTopic | None:
        """Where its exchanges are logged to; None: nowhere."""
        logger = self.inference_logger
        return logger.topic_of(self.project, self.deployment) if logger is not None and logger.logs else None


# What a revision has just as its specification says it; these it has otherwise.
_RESOLVED: Final = ("model", "model_server", "environment", "transformer")
_TAKEN_OVER: Final = tuple(
    name for name in DeploymentSpec.model_fields if name in Revision.model_fields and name not in _RESOLVED
)


def taken_over(either: DeploymentSpec | Revision) -> dict[str, Any]:
    """The options that a specification and its revision have alike, by name."""
    return {name: getattr(either, name) for name in _TAKEN_OVER}


def specified(revision: Revision) -> DeploymentSpec:
    """A specification that comes to just this revision; its files are named by the artifact version's number."""
    usual = environment_for(revision.model_server, has_script=revision.artifact.script_file is not None)
    return DeploymentSpec(
        name=revision.deployment,
        model=ModelRef(name=revision.model.name, version=revision.model.version),
        model_server=revision.model_server,
        environment=None if revision.environment == usual else revision.environment,
        artifact_version=revision.artifact.version,
        transformer=revision.transformer,
        smoke_test=SmokeTest(requests=revision.smoke_requests, timeout_s=revision.smoke_timeout_s),
        **taken_over(revision),
    )


class State(StrEnum):
    """How a model deployment stands, in Hopsworks' nine words; derived from what is seen, never stored."""

    CREATING = "Creating"
    CREATED = "Created"
    STARTING = "Starting"
    FAILED = "Failed"
    RUNNING = "Running"
    IDLE = "Idle"
    UPDATING = "Updating"
    STOPPING = "Stopping"
    STOPPED = "Stopped"

    @classmethod
    def read(cls, text: str) -> State:
        """The state of that name, in any case. Raises CallerError, naming those that there are."""
        found = next((state for state in cls if state.value.casefold() == text.casefold()), None)
        if found is None:
            raise CallerError(f"There is no state {text!r}.", f"States are {', '.join(cls)}.", "Name one of them.")
        return found


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`, as `sha256:<hex>`: keys sorted, no spaces, UTF-8."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
