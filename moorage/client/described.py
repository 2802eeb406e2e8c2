"""What a notebook describes: a specification whose options are read and written as attributes."""

from __future__ import annotations

from collections.abc import Set
from typing import Any, Generic, Self, TypeVar, overload

from moorage.components import ApiProtocol, InferenceBatcher, InferenceLogger, Transformer
from moorage.declaration import parse_specification
from moorage.deployment import DeploymentSpec, Rollout, SmokeTest
from moorage.errors import CallerError
from moorage.predictor import EnvVar, LocalOptions, ServingTool
from moorage.resources import Placement, PredictorResources, Scaling, least_instances

T = TypeVar("T")

FILES = frozenset({"script_file", "config_file", "further_files"})


class Option(Generic[T]):
    """One option. What is written is checked at once, with all others; None makes it what it is by default."""

    def __set_name__(self, owner: type[Described], name: str) -> None:
        self._name = DeploymentSpec.spellings.get(name, name)
        field = DeploymentSpec.model_fields[self._name]
        self.__doc__ = field.description or field.title

    @overload
    def __get__(self, described: None, owner: type[Described]) -> Self: ...

    @overload
    def __get__(self, described: Described, owner: type[Described]) -> T: ...

    def __get__(self, described: Described | None, owner: type[Described]) -> Self | T:
        if described is None:
            return self
        value: T = getattr(described.specification, self._name)
        return value

    def __set__(self, described: Described, value: Any) -> None:
        described.set(**{self._name: value})


class Described:
    """A model deployment as it should be; nothing happens before it is deployed or saved."""

    description = Option[str]()
    serving_tool = Option[ServingTool]()
    script_file = Option[str | None]()
    config_file = Option[str | None]()
    further_files = Option[tuple[str, ...]]()
    environment = Option[str | None]()
    env_vars = Option[tuple[EnvVar, ...]]()
    resources = Option[PredictorResources]()
    scaling = Option[Scaling | None]()
    scaling_configuration = Option[Scaling | None]()
    transformer = Option[Transformer | None]()
    inference_logger = Option[InferenceLogger | None]()
    inference_batcher = Option[InferenceBatcher]()
    api_protocol = Option[ApiProtocol]()
    queue = Option[str | None]()
    placement = Option[Placement]()
    local = Option[LocalOptions]()
    rollout = Option[Rollout]()
    smoke_test = Option[SmokeTest]()

    def __init__(self, spec: DeploymentSpec) -> None:
        self._spec = spec

    @property
    def specification(self) -> DeploymentSpec:
        """All of it, as the YAML file would declare it."""
        return self._spec

    @property
    def name(self) -> str:
        """Its name, which is also its id."""
        return self._spec.name

    @property
    def model_name(self) -> str:
        """The model that it serves."""
        return self._spec.model.name

    @property
    def model_version(self) -> int | str:
        """Its number, an alias, or 'latest'."""
        return self._spec.model.version

    @model_version.setter
    def model_version(self, version: int | str) -> None:
        self.set(model={"name": self.model_name, "version": version})

    @property
    def requested_instances(self) -> int:
        """How many instances there are at least, of predictor and transformer together."""
        spec = self._spec
        transformers = 0 if spec.transformer is None else spec.transformer.least_instances
        return least_instances(spec.resources, spec.scaling) + transformers

    def set(self, **options: Any) -> Self:
        """Changes options of what it should be, several at once; nothing happens before it is deployed or saved.

        Examples:
            >>> import moorage
            >>> project = moorage.login()
            >>> model = project.get_model_registry().python.create_model("iris").save("trained")
            >>> predictor = project.get_model_serving().create_predictor(model, script_file="predictor.py")
            >>> predictor.set(env_vars={"THREADS": "2"}).env_vars
            (EnvVar(name='THREADS', value='2'),)
            >>> predictor.resources = {"num_instances": 2}
            >>> predictor.resources
            PredictorResources(instances=2)

        Args:
            options: as `create_predictor` takes them; a new script needs its other files named too.

        Raises:
            InvalidSpec: no specification can be so.
        """
        if "name" in options:
            raise CallerError("A deployment keeps its name.", mend="Create another one.")
        changes = {DeploymentSpec.spellings.get(name, name): value for name, value in options.items()}
        plain = {name: getattr(self._spec, name) for name in self._spec.model_fields_set} | changes
        if FILES & changes.keys() and "artifact_version" not in changes:
            self._refuse_lost_files(changes.keys())
            plain.pop("artifact_version", None)
        self._spec = parse_specification({name: value for name, value in plain.items() if value is not None}, self.name)
        return self

    def _refuse_lost_files(self, named: Set[str]) -> None:
        """Nothing is lost that nobody has deployed yet."""
