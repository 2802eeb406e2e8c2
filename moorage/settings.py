"""What can be set from outside, read once, at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from moorage import environment
from moorage.errors import InvalidName
from moorage.names import check_project_name

PREFIX: Final = "MOORAGE_"
# Written by backends for the runtime, not by people: a model server that itself uses Moorage inherits them.
_RUNTIME_ONLY: Final = frozenset(
    {
        environment.REVISION,
        environment.REVISION_FILE,
        environment.REPORT_FILE,
        environment.LISTEN_FD,
        environment.LISTEN_PORT,
        environment.GRPC_PORT,
    }
)


def _default_home() -> Path:
    return Path(platformdirs.user_data_dir("moorage", appauthor=False))


class Settings(BaseModel):
    """Where things are; an argument wins over the environment, the environment over these defaults.

    Each field is read from `MOORAGE_<FIELD>`; an unknown variable with that prefix is an error, for a misspelt one
    would otherwise be silently without effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(
        default_factory=_default_home,
        description="This user's folder, mode 0700: the embedded store, and what runs on this machine.",
    )
    store: str = Field("", description="URL of the object store; by default the folder `store` under home.")
    project: str = Field("default", description="The tenant: a prefix in the store.")
    cache: Path | None = Field(
        None, description="This user's folder of fetched model files, mode 0700; by default the folder `cache` in home."
    )
    secrets: Path | None = Field(
        None, description="Folder of secret files, SECRET/KEY, for LOCAL; by default the folder `secrets` in home."
    )
    cache_gb: float = Field(
        20, ge=0, allow_inf_nan=False, description="What the cache may hold, in units of 10^9 bytes; 0 turns it off."
    )

    events: str = Field(
        "",
        pattern=r"^(none|https?://\S+)?$",
        description="URL that events about models are posted to; by default that of the Prefect server at"
        " PREFECT_API_URL, if there is one; 'none': nowhere.",
    )

    kafka: str = Field(
        "", description="Where inferences are logged to: HOST:PORT of Kafka brokers, with commas between several."
    )
    schema_registry: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="URL of Confluent's REST API for schemas; without one, events say their schema's fingerprint.",
    )
    kafka_secret: str = Field(
        "",
        description="The Secret whose keys are librdkafka's options in a pod (KAFKA_SASL_PASSWORD, KAFKA_SSL_…).",
    )

    kube_context: str = Field(
        "", description="Which context of KUBECONFIG names the cluster; by default the current one, in a pod its own."
    )
    namespace: str = Field(
        "",
        max_length=63,
        pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$",
        description="Where the cluster's objects are; by default the project's name, in small letters and '-' for '_'.",
    )
    images: str = Field(
        "moorage/{environment}:{version}",
        pattern=r"^[^\s]*\{environment\}[^\s]*$",
        description="The container image of an environment; {version} stands for Moorage's own.",
    )
    service_account: str = Field("moorage-predictor", description="The service account that predictors run as.")
    store_secret: str = Field(
        "moorage-store",
        description="The Secret whose keys are the store's variables in a pod (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, …);"
        " 'none': the cloud gives the service account its identity.",
    )

    ingress: str = Field(
        "",
        pattern=r"^(https?://[^\s/]+)?/?$",
        description="Base URL of the cluster's ingress as this machine reaches it; deployments are asked through it.",
    )
    node_patience_s: float = Field(
        3,
        ge=0,
        le=86_400,
        description="Seconds that a pod may find no node before it is given up; more where an autoscaler adds nodes.",
    )

    @field_validator("images")
    @classmethod
    def _an_image(cls, images: str) -> str:
        try:
            images.format(environment="", version="")
        except (KeyError, IndexError, ValueError) as exc:
            raise ValueError("in braces there is {environment} and {version}, and nothing else") from exc
        return images

    @field_validator("home", "cache", "secrets")
    @classmethod
    def _absolute(cls, folder: Path | None) -> Path | None:
        try:
            return folder and folder.expanduser().absolute()
        except RuntimeError as exc:  # ~nobody
            raise ValueError(str(exc)) from exc

    @field_validator("project")
    @classmethod
    def _a_project(cls, project: str) -> str:
        return check_project_name(project)

    @property
    def store_url(self) -> str:
        """The store's URL, the embedded default filled in."""
        return self.store or (self.home / "store").as_uri()

    @property
    def cache_folder(self) -> Path:
        """The cache's folder, the default filled in."""
        return self.cache or self.home / "cache"

    @property
    def secrets_folder(self) -> Path:
        """Where secret files lie, the default filled in."""
        return self.secrets or self.home / "secrets"

    @property
    def logging_variables(self) -> dict[str, str]:
        """What tells a model server where exchanges are logged to."""
        named = {environment.KAFKA: self.kafka, environment.SCHEMA_REGISTRY: self.schema_registry}
        return {name: value for name, value in named.items() if value}

    @property
    def cache_bytes(self) -> int:
        """What the cache may hold, in bytes; 0 turns it off."""
        return round(self.cache_gb * 1e9)

    @property
    def events_url(self) -> str:
        """Where events are posted to; empty: nowhere."""
        return "" if self.events == "none" else self.events

    @property
    def namespace_name(self) -> str:
        """The namespace, the default filled in."""
        return self.namespace or self.project.lower().replace("_", "-").strip("-")

    def image_of(self, environment: str) -> str:
        """The container image that an environment stands for in a cluster."""
        return self.images.format(environment=environment, version=version("moorage"))

    def make_home(self) -> None:
        """Makes the home folder, and what leads to it, for this user alone; one that is there stays as it is."""
        for folder in reversed((self.home, *self.home.parents)):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **overrides: str | None) -> Settings:
        """Reads `MOORAGE_*` from `environ`; overrides that are not None win.

        Raises:
            InvalidName: an unknown variable, or a value that is out of bounds.
        """
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX) and name not in _RUNTIME_ONLY and value != ""
        }
        given |= {name: value for name, value in overrides.items() if value is not None}
        server = environ.get("PREFECT_API_URL", "")
        if server.startswith("http"):
            given.setdefault("events", f"{server.rstrip('/')}/events")
        try:
            return cls.model_validate(given)
        except ValidationError as exc:
            first = exc.errors()[0]
            variable = PREFIX + str(first["loc"][0]).upper()
            known = ", ".join(PREFIX + field.upper() for field in cls.model_fields)
            if first["type"] == "extra_forbidden":
                raise InvalidName(f"{variable} is not known.", f"Settings are {known}.") from exc
            reason = str(first.get("ctx", {}).get("error", first["msg"])).rstrip(".")
            raise InvalidName(f"{variable} is not usable: {reason}.", f"Settings are {known}.") from exc
