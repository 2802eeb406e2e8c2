"""A model deployment in a notebook: taken online, asked, looked at, stopped, and taken back."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, overload

from moorage import lifecycle
from moorage.client.described import FILES, Described
from moorage.client.model import Model
from moorage.client.model_registry import ModelRegistry
from moorage.components import Component
from moorage.deploying import create, deploy, take_online
from moorage.deployment import DeploymentSpec, Revision, State, specified
from moorage.errors import CallerError, NotFound, NotReadyInTime
from moorage.inference.tensors import InferInput, InferOutput, tensors_in
from moorage.ledger import LedgerEntry
from moorage.predictor import ModelServer
from moorage.registry.keys import Keys
from moorage.rollback import find_revision
from moorage.serving.conditions import Condition, condition_of
from moorage.serving.verdict import Verdict
from moorage.site import Site

# What a deployment that is told to stop, or told nothing yet, cannot tell of.
_SILENT: Final = frozenset({State.STOPPING, State.STOPPED, State.CREATED})


@dataclass(frozen=True)
class DeploymentState:
    """How a deployment stands at one moment.

    Attributes:
        status: one of Hopsworks' nine words: Creating, Created, Starting, Failed, Running, Idle, Updating, Stopping,
            Stopped.
        stage: what it is doing, for people.
        revision: number of the revision that answers; None when none does.
        reason: why it does not serve, or what else needs somebody's hand; None while all is well.
        condition: how far the revision applied last has come.
    """

    status: str
    stage: str
    revision: int | None
    reason: Verdict | None
    condition: Condition


class Deployment(Described):
    """A model deployment. What it should be is changed here and saved; what it is, is asked each time.

    Examples:
        >>> import moorage
        >>> project = moorage.login()
        >>> model = project.get_model_registry().python.create_model("iris").save("trained")
        >>> deployment = model.deploy(script_file="predictor.py")
        >>> deployment.is_running()
        True
        >>> deployment.predict(inputs=[[1, 2]])
        {'predictions': ['petals']}
        >>> deployment.stop()
        >>> deployment.get_state().status
        'Stopped'
    """

    def __init__(self, site: Site, spec: DeploymentSpec) -> None:
        super().__init__(spec)
        self._site = site

    @property
    def id(self) -> str:
        """Its name."""
        return self.name

    @property
    def artifact_version(self) -> int | None:
        """Number of the artifact version that is live; None before there is one."""
        live = self._live()
        return None if live is None else live.artifact.version

    @property
    def model_server(self) -> ModelServer | None:
        """What answers; it is that of the model's framework. None before there is a revision, unless it was named."""
        newest = self._site.ledger(self.name).state().newest
        return self._spec.model_server if newest is None else newest.model_server

    @property
    def artifact_files_path(self) -> str | None:
        """Where the artifact files that are live lie in the store; None before there are any."""
        live = self._live()
        if live is None or not live.artifact.version:
            return None
        keys = Keys(self._site.settings.project)
        return "/" + keys.artifact_files(live.model.name, live.model.version, live.artifact.version).rstrip("/")

    @property
    def version(self) -> int | None:
        """Number of the revision that is live; None before there is one."""
        live = self._live()
        return None if live is None else live.number

    @property
    def created_at(self) -> str | None:
        """When it was made, in UTC; None before."""
        return next((entry.time for entry in self._entries()), None)

    @property
    def creator(self) -> str | None:
        """Who made it; None before."""
        return next((entry.actor for entry in self._entries()), None)

    @property
    def project_namespace(self) -> str:
        """Where its objects are on a cluster."""
        return self._site.settings.namespace_name

    def _live(self) -> Revision | None:
        return self._site.ledger(self.name).state().live

    def _entries(self) -> list[LedgerEntry]:
        try:
            return self.history()
        except NotFound:
            return []

    def _refuse_lost_files(self, named: Set[str]) -> None:
        """Files that are known by an artifact version's number alone would be lost by naming others."""
        version, number = self._spec.model.version, self._spec.artifact_version
        if not number or not isinstance(version, int):
            return
        artifact = self._site.registry.get_artifact_version(self.model_name, version, number)
        lost = [option for option in sorted(FILES - named) if getattr(artifact, option)]
        if lost:
            raise CallerError(
                f"Artifact version {number} of deployment {self.name!r} has {' and '.join(lost)} too.",
                "Files are named all together, for they are one artifact version.",
                f"Name {' and '.join(lost)} as well; or None, to leave it out.",
            )

    def save(self, *, start: bool = True, reason: str = "") -> None:
        """Takes what it should be online, and returns once it answers; unchanged, there is nothing to do.

        Args:
            start: False makes a new deployment, its files in the store, and leaves the start to `start()`.
            reason: why, for the history.

        Raises:
            InvalidSpec: with every rule that it breaks; nothing was done.
            ProvisionFailed: it could not be proven, and why; what was live before serves on.
        """
        if start:
            deploy(self._site, self._spec, reason=reason)
        else:
            create(self._site, self._spec, reason=reason)

    def start(self, await_running: float | None = lifecycle.START_S) -> None:
        """Starts what is live, also from Failed, and returns once it answers.

        Args:
            await_running: seconds; 0 or None: it is not waited for.

        Raises:
            ProvisionFailed: it does not start any more, and why.
            NotReadyInTime: it did not answer within `await_running`.
        """
        try:
            lifecycle.start(self._site, self.name, timeout_s=await_running or 0)
        except NotReadyInTime:
            if await_running:
                raise

    def stop(self, await_stopped: float = lifecycle.STOP_S) -> None:
        """Stops it and returns once nothing is left; one that is stopped stays so."""
        lifecycle.stop(self._site, self.name, timeout_s=await_stopped)

    def restart(self, await_stopped: float = lifecycle.STOP_S, await_running: float | None = lifecycle.START_S) -> None:
        """Stops it, unless it is stopped, and starts it."""
        self.stop(await_stopped)
        self.start(await_running)

    def delete(self, force: bool = False) -> None:
        """Removes it for good, without asking; its history stays.

        Args:
            force: also while it runs.

        Raises:
            CallerError: it runs, and `force` was not said.
        """
        state = self.get_state()
        if not force and state.status not in (State.STOPPED, State.CREATED):
            raise CallerError(
                f"Deployment {self.name!r} is {state.status}.",
                "Only what is stopped is deleted without force.",
                "Stop it first, or delete it with force=True.",
            )
        lifecycle.delete(self._site, self.name)

    @overload
    def predict(self, data: Sequence[InferInput]) -> list[InferOutput]: ...

    @overload
    def predict(self, data: dict[str, Any] | None = None, inputs: Any = None) -> dict[str, Any]: ...

    def predict(self, data: Any = None, inputs: Any = None) -> dict[str, Any] | list[InferOutput]:
        """Asks it, and returns `{"predictions": …}`; one that was asked with tensors, by gRPC, answers with tensors.

        Args:
            data: a whole body, `{"instances": …}`, or tensors; or
            inputs: rows to predict, or tensors as dicts with `name`, `shape`, `datatype` and `data`.

        Raises:
            InferenceFailed: it does not run, or answers an error.
        """
        tensors = tensors_in(data, inputs)
        if tensors is not None:
            return lifecycle.infer(self._site, self.name, tensors).outputs
        return {"predictions": lifecycle.predict(self._site, self.name, inputs=inputs, data=data).predictions}

    def get_state(self) -> DeploymentState:
        """How it stands now.

        Raises:
            NotFound: there is no such deployment.
        """
        seen = lifecycle.view(self._site, self.name).seen
        return DeploymentState(seen.state.value, seen.stage, seen.serving, seen.verdict, condition_of(seen))

    def is_running(self, or_idle: bool = True, or_updating: bool = True) -> bool:
        """Whether it answers; also scaled to zero, and while a new revision is on its way."""
        wanted = {State.RUNNING} | ({State.IDLE} if or_idle else set()) | ({State.UPDATING} if or_updating else set())
        return self._status() in wanted

    def is_stopped(self, or_created: bool = True) -> bool:
        """Whether nothing of it runs; also when it was never started."""
        return self._status() in ({State.STOPPED} | ({State.CREATED, State.CREATING} if or_created else set()))

    def is_created(self) -> bool:
        """Whether there is such a deployment."""
        return self._status() not in (None, State.CREATING)

    def get_logs(self, component: str = "predictor", tail: int = 10) -> None:
        """Prints the last lines that its model server wrote."""
        print(self.read_logs(component, tail))  # noqa: T201 -- that is what it is for

    def read_logs(self, component: str = "predictor", tail: int = 100, *, revision: int | None = None) -> str:
        """The last lines that its model server wrote, also when it is stopped.

        Args:
            revision: by default the one applied last.
        """
        of = self._component(component)
        return "\n".join(lifecycle.logs(self._site, self.name, revision=revision, component=of, tail=tail))

    def tail_logs(
        self, component: str = "predictor", interval: float = 2.0, *, timeout: float | None = None
    ) -> Iterator[str]:
        """Each new line as it is written, until it is stopped.

        Args:
            interval: seconds between two looks.
            timeout: seconds after which it ends too; None: never.
        """
        of = self._component(component)
        deadline = None if timeout is None else time.monotonic() + timeout
        seen: tuple[str, ...] = ()
        while True:
            lines = lifecycle.logs(self._site, self.name, component=of, tail=1000)
            yield from lines[_overlap(seen, lines) :]
            seen = lines
            if self._status() in _SILENT or (deadline is not None and time.monotonic() >= deadline):
                return
            time.sleep(interval)

    def history(self) -> list[LedgerEntry]:
        """Every entry of its ledger, oldest first: which revision, who, why."""
        return lifecycle.history(self._site, self.name)

    def rollback(self, revision: int | None = None, *, reason: str = "") -> None:
        """Takes an earlier revision online again, proven like any other.

        Args:
            revision: its number; by default the last good one before what is live.
            reason: why, for the history.

        Raises:
            NotFound: there is none, or that one was never proven.
        """
        earlier = find_revision(self.name, self.history(), revision)
        why = "; ".join(filter(None, (f"back to revision {earlier.number}", reason)))
        take_online(self._site, earlier, reason=why)
        self._spec = specified(earlier)

    @property
    def has_model(self) -> bool:
        """Whether the model version that it should serve is in the registry."""
        return self.get_model() is not None

    def get_model(self) -> Model | None:
        """The model version that it should serve; None when there is none."""
        return ModelRegistry(self._site).get_model(self.model_name, self.model_version)

    def download_artifact_files(self, local_path: str | PathLike[str] | None = None) -> str:
        """Brings the artifact files that are live to this machine, each of them verified, and returns their folder.

        Args:
            local_path: the folder to make. None: a new one for temporary files.

        Raises:
            NotFound: it was never proven, so none are live.
        """
        live = self._live()
        if live is None:
            raise NotFound(f"Deployment {self.name!r} has no artifact files that are live.", "", "Deploy it first.")
        target = Path(local_path if local_path is not None else tempfile.mkdtemp(prefix="moorage-"))
        artifact = self._site.registry.get_artifact_version(live.model.name, live.model.version, live.artifact.version)
        self._site.registry.download_artifact(artifact, target)
        return fspath(target)

    def describe(self) -> None:
        """Prints all that it should be, as sorted JSON."""
        print(json.dumps(self._spec.model_dump(mode="json"), indent=2, sort_keys=True))  # noqa: T201

    def get_url(self) -> str | None:
        """The base URL that it answers at; None while nothing listens."""
        return lifecycle.view(self._site, self.name).seen.endpoint

    get_endpoint_url = get_url

    def get_openai_url(self) -> str | None:
        """The base URL of an OpenAI client; None unless its model server is VLLM, and while nothing listens."""
        base = self.get_url() if self.model_server is ModelServer.VLLM else None
        return None if base is None else f"{base}/v1"

    def get_inference_url(self) -> str | None:
        """The URL that requests are posted to; None while nothing listens, and where its model server is VLLM."""
        view = lifecycle.view(self._site, self.name)
        return None if self.model_server is ModelServer.VLLM else view.asked_at

    def __repr__(self) -> str:
        return f"Deployment({self.name!r}, model={self.model_name!r}, version={self.model_version!r})"

    def _component(self, name: str) -> Component:
        """The component of that name. Raises CallerError where the deployment has none such."""
        there = [Component.PREDICTOR, *([Component.TRANSFORMER] if self._spec.transformer is not None else [])]
        found = next((component for component in there if component == name), None)
        if found is None:
            raise CallerError(
                f"Deployment {self.name!r} has no component {name!r}.", f"Components: {', '.join(there)}."
            )
        return found

    def _status(self) -> State | None:
        try:
            return lifecycle.view(self._site, self.name).seen.state
        except NotFound:
            return None


def _overlap(before: tuple[str, ...], lines: tuple[str, ...]) -> int:
    """How many of the lines at the beginning were the last ones before."""
    return next((count for count in range(min(len(before), len(lines)), 0, -1) if before[-count:] == lines[:count]), 0)
