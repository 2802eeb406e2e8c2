"""The nouns of the predictor: frameworks, model servers, serving tools, and what a specification says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, field_validator, model_validator

from moorage.errors import InvalidName
from moorage.names import ALIAS_MAX, ALIAS_PATTERN, LATEST, MODEL_NAME_MAX, MODEL_NAME_PATTERN, check_alias
from moorage.noun import Noun, Word


class Framework(Word):
    """What the model was trained with; the name under which the registry keeps it."""

    PYTHON = "PYTHON"
    SKLEARN = "SKLEARN"
    TORCH = "TORCH"
    TENSORFLOW = "TENSORFLOW"
    LLM = "LLM"


# What KServe's scikit-learn server takes for the model, in the top folder:
# https://github.com/kserve/kserve/blob/v0.20.0/python/sklearnserver/sklearnserver/model.py
PICKLES: Final = (".joblib", ".pkl", ".pickle")


def pickles_in(model_files: Iterable[str]) -> list[str]:
    """Those of a model's files that a scikit-learn model can be loaded from without being told how, sorted."""
    return sorted(path for path in model_files if "/" not in path and path.endswith(PICKLES))


class ModelServer(Word):
    """What answers inside a component."""

    PYTHON = "PYTHON"
    TENSORFLOW_SERVING = "TENSORFLOW_SERVING"
    VLLM = "VLLM"

    @classmethod
    def for_framework(cls, framework: Framework) -> ModelServer:
        """The one model server that serves a framework's models."""
        return {Framework.TENSORFLOW: cls.TENSORFLOW_SERVING, Framework.LLM: cls.VLLM}.get(framework, cls.PYTHON)


# The environments that are named in Hopsworks' guide "configure a predictor", and what a clone of one is called.
ANY_PIPELINE: Final = "-inference-pipeline"
PANDAS: Final = f"pandas{ANY_PIPELINE}"
TENSORFLOW_OFFICIAL: Final = "tensorflow-serving"
VLLM_OFFICIAL: Final = "vllm-openai"
VLLM_SCRIPTED: Final = f"vllm{ANY_PIPELINE}"


def environment_for(server: ModelServer, *, has_script: bool) -> str:
    """The environment that is made for a model server."""
    if server is ModelServer.VLLM:
        return VLLM_SCRIPTED if has_script else VLLM_OFFICIAL
    return TENSORFLOW_OFFICIAL if server is ModelServer.TENSORFLOW_SERVING else PANDAS


class ServingTool(Word):
    """Where a model deployment runs. `DEFAULT`, Hopsworks' word, is read as KUBERNETES."""

    LOCAL = "LOCAL"
    KUBERNETES = "KUBERNETES"
    KSERVE = "KSERVE"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return super()._missing_("KUBERNETES" if isinstance(value, str) and value.upper() == "DEFAULT" else value)


class ModelRef(Noun):
    """Which model version to deploy."""

    name: Annotated[str, StringConstraints(pattern=MODEL_NAME_PATTERN, max_length=MODEL_NAME_MAX)] = Field(
        title="Model", description="Name of the model in the registry: letters, digits and '_'."
    )
    # The bounds are those of the validator, said once more for the form, which refuses what is outside at once.
    version: (
        Annotated[int, Field(ge=1, title="Number")]
        | Annotated[str, Field(title="Latest, or an alias", pattern=ALIAS_PATTERN, max_length=ALIAS_MAX)]
    ) = Field(LATEST, title="Version", description="A version number from 1, 'latest', or an alias: 'champion'.")

    @field_validator("version", mode="before")
    @classmethod
    def _numbered_or_named(cls, version: Any) -> int | str:
        """Reads "3" as 3, for that is what forms and command lines give, and no alias is made of digits only."""
        if isinstance(version, str) and not version.removeprefix("-").isdecimal():
            return LATEST if version.casefold() == LATEST else _an_alias(version)
        if isinstance(version, bool) or not isinstance(version, int | str):
            # a ValueError, for pydantic
            raise ValueError("a version number from 1, 'latest', or an alias in quotes is expected")  # noqa: TRY004
        if int(version) < 1:
            raise ValueError(f"model versions are numbered from 1, not {int(version)}")
        return int(version)


def _an_alias(text: str) -> str:
    try:
        return check_alias(text)
    except InvalidName as problem:
        raise ValueError(str(problem)) from None


class Lineage(Noun):
    """Where a model version comes from; each part may be unknown."""

    flow_run: str = Field("", title="Flow run", description="Id of the run that trained it, Prefect's for example.")
    git_commit: str = Field("", title="Git commit", description="Of the code that trained it.")
    parent_version: int | None = Field(
        None, ge=1, title="Parent version", description="The version of this model that training went on from."
    )
    training_data: Any = Field(
        None, title="Training data", description="What it was trained on: a path, a URL, a table and its version."
    )


class ModelSource(Noun):
    """What training saved, to be published as a model version before it is deployed."""

    path: str = Field(min_length=1, title="Path", description="A folder, or a single file, on this machine.")
    framework: Framework = Field(Framework.PYTHON, title="Framework", description="What the model was trained with.")
    metrics: dict[str, float] = Field(
        default={}, title="Metrics", description="Training metrics: a number for each name."
    )
    input_example: Any = Field(
        None,
        title="Input example",
        description="One request's inputs, as JSON. The smoke test asks it when the specification names no requests.",
    )
    model_schema: Any = Field(None, title="Schema", description="Of inputs and outputs, as JSON.")
    description: str = Field("", max_length=1000, title="Description")
    lineage: Lineage = Field(Lineage(), title="Lineage", description="Where it comes from.")
    program: str | None = Field(
        None, title="Program", description="Path of the script or notebook that trained it; a copy is kept."
    )
    environment: str = Field("", title="Environment", description="The packages it was trained with, a line each.")


# What a shell can set: IEEE Std 1003.1, section 8.1.
ENV_VAR_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"


# What a Secret and a key of it can be called: https://kubernetes.io/docs/concepts/configuration/secret/
SECRET_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"  # noqa: S105 -- a name's, no password
KEY_PATTERN: Final = r"^[-_A-Za-z0-9][-._A-Za-z0-9]{0,252}$"


class EnvVar(Noun):
    """One environment variable of the predictor: its value, or the secret that holds it."""

    name: str = Field(pattern=ENV_VAR_PATTERN, title="Name", description="As a shell could set it.")
    value: str | None = Field(None, title="Value", description="Stands in history and plans: no secret belongs here.")
    secret: str | None = Field(
        None,
        pattern=SECRET_PATTERN,
        title="Secret",
        description="Instead of a value: a Kubernetes Secret of the namespace, or on LOCAL a folder of secret files.",
    )
    key: str | None = Field(
        None, pattern=KEY_PATTERN, title="Key", description="Of the secret. None: as the variable is called."
    )

    @field_validator("value")
    @classmethod
    def _no_nul(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:
            raise ValueError("an environment variable cannot hold a NUL character")
        return value

    @model_validator(mode="after")
    def _value_or_secret(self) -> Self:
        if (self.value is None) == (self.secret is None):
            raise ValueError("give either a value or a secret")
        if self.key is not None and self.secret is None:
            raise ValueError("key names a part of a secret: give the secret too")
        return self

    @property
    def secret_key(self) -> str:
        """The key of the secret that holds the value."""
        return self.key or self.name


def _as_listed(value: Any) -> Any:
    """`{NAME: value, OTHER: {secret: name}}`, as people write it in YAML, beside the list that the form submits."""
    if not isinstance(value, dict):
        return value
    for name, text in value.items():
        if isinstance(text, bool) or not isinstance(text, str | int | float | dict):
            raise ValueError(f"the value of {name} is not a text: put it in quotes")  # noqa: TRY004 -- for pydantic
    return [
        {"name": name} | (given if isinstance(given, dict) else {"value": str(given)}) for name, given in value.items()
    ]


def _each_name_once(value: tuple[EnvVar, ...]) -> tuple[EnvVar, ...]:
    names = [variable.name for variable in value]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"environment variables given twice: {', '.join(twice)}")
    # their order means nothing, so it must not make another revision
    return tuple(sorted(value, key=lambda variable: variable.name))


EnvVars = Annotated[tuple[EnvVar, ...], BeforeValidator(_as_listed), AfterValidator(_each_name_once)]


class LocalOptions(Noun):
    """What only LOCAL has: where on this machine the deployment listens."""

    host: str = Field("127.0.0.1", min_length=1, title="Host", description="Loopback unless you say otherwise.")
    port: int | None = Field(
        None, ge=1, le=65535, title="Port", description="None: a free one is chosen at first start, and kept."
    )

    @field_validator("host")
    @classmethod
    def _a_host(cls, host: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9.:-]+", host):
            raise ValueError(f"{host!r} is not a host name or an IP address")
        return host
