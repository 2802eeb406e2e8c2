"""LOCAL: model deployments as processes of this user, on this machine."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from moorage import environment
from moorage.abilities import Abilities
from moorage.components import ANY_MODE, Component
from moorage.deployment import Revision, State
from moorage.errors import BackendUnavailable, StoreRefused
from moorage.predictor import ModelServer, ServingTool
from moorage.serving.base import Address, Observation, Plan
from moorage.serving.local.command import inherited, wanted_state
from moorage.serving.local.folder import DeploymentFolder, Wanted
from moorage.serving.local.housekeeping import log_tail
from moorage.serving.local.process import Listener, is_alive, start_failure
from moorage.serving.local.status import read_status, url_of
from moorage.serving.verdict import Verdict
from moorage.settings import Settings
from moorage.startup import Cause


@dataclass(frozen=True)
class LocalBackend:
    """One supervisor process for each started deployment; see `supervisor`.

    Attributes:
        home: this user's folder for Moorage. Deployments live under `local/<project>/<deployment>`.
        project: whose deployments these are.
        store_url: where the model servers fetch their files.
        secrets_folder: where they find secrets.
        logging: the variables that tell them where exchanges are logged to.
    """

    tool: ClassVar[ServingTool] = ServingTool.LOCAL
    abilities: ClassVar[Abilities] = Abilities(
        model_servers=frozenset(ModelServer),
        batches=frozenset({ModelServer.PYTHON, ModelServer.TENSORFLOW_SERVING}),
        log_modes=ANY_MODE,
    )

    home: Path
    project: str
    store_url: str
    secrets_folder: Path
    logging: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Settings) -> LocalBackend:
        return cls(
            settings.home, settings.project, settings.store_url, settings.secrets_folder, settings.logging_variables
        )

    def plan(self, revision: Revision) -> Plan:
        seen = self.observe(revision.deployment)
        beside = "" if seen.serving is None else f" beside revision {seen.serving}, which answers until it is ready"
        changes = (f"start revision {revision.number} with {self._interpreter(revision.environment)}{beside}",)
        return Plan(changes, self._obstacles(revision, self._wanted(revision), seen))

    def apply(self, revision: Revision) -> None:
        folder = self._folder(revision.deployment)
        self._write(folder, self._wanted(revision))
        self._supervise(folder)

    def observe(self, deployment: str) -> Observation:
        folder = self._folder(deployment)
        # The seat first: whatever a supervisor wrote before it left its seat is then sure to be read.
        supervised = folder.is_supervised()
        status = folder.read_status()
        alive = frozenset(server.pid for server in status.servers if is_alive(server)) if status else frozenset()
        return read_status(deployment, folder.read_wanted(), status, supervised=supervised, alive=alive)

    def endpoint(self, deployment: str) -> str | None:
        return self.observe(deployment).endpoint

    @contextmanager
    def reach(self, deployment: str) -> Iterator[Address | None]:
        url = self.endpoint(deployment)
        yield None if url is None else Address(url)

    def logs(
        self,
        deployment: str,
        *,
        revision: int | None = None,
        component: Component = Component.PREDICTOR,
        tail: int = 100,
    ) -> tuple[str, ...]:
        if component is not Component.PREDICTOR:
            return ()
        folder = self._folder(deployment)
        wanted = folder.read_wanted()
        number = revision if revision is not None else wanted.revision if wanted else 0
        path = folder.log_file(number)
        lines = log_tail(path, tail)
        if len(lines) < tail:
            lines = log_tail(path.with_name(path.name + ".1"), tail - len(lines)) + lines
        return tuple(lines)

    def stop(self, deployment: str) -> None:
        folder = self._folder(deployment)
        wanted = folder.read_wanted()
        if wanted is None:
            return
        if wanted.run:
            self._write(folder, replace(wanted, run=False, token=secrets.token_hex(8)))
        # A server that lost its supervisor is given a new one, to be ended by: one way to stop, whatever was killed.
        if self.observe(deployment).state is State.STOPPING:
            self._supervise(folder)

    def delete(self, deployment: str) -> None:
        self.stop(deployment)
        if self.observe(deployment).state is State.STOPPING:
            raise BackendUnavailable(
                f"Deployment {deployment!r} is still stopping.", "It is deleted once it has stopped.", "Try again."
            )
        self._folder(deployment).remove()

    def _obstacles(self, revision: Revision, wanted: Wanted, seen: Observation) -> tuple[Verdict, ...]:
        before = self._folder(revision.deployment).read_wanted()
        store = (before.variables or {}).get(environment.STORE_URL) if before else None
        if before is not None and before.run and store != self.store_url:
            return (_another_store(revision.deployment, str(store)),)
        if seen.endpoint == url_of(wanted.host, wanted.port or 0):
            return ()
        try:
            Listener.bind(wanted.host, wanted.port).sock.close()
        except OSError as exc:
            return (Verdict.of_failure(start_failure(wanted, exc)),)
        return ()

    def _wanted(self, revision: Revision) -> Wanted:
        return wanted_state(
            revision,
            self._folder(revision.deployment),
            store_url=self.store_url,
            secrets=self.secrets_folder,
            logging=self.logging,
            interpreter=self._interpreter(revision.environment),
            token=secrets.token_hex(8),
        )

    def _interpreter(self, environment: str) -> Path:
        """The named environment under home when somebody made one, else the Python that Moorage itself runs in."""
        own = self.home / "environments" / environment / "bin" / "python"
        return own if own.exists() else Path(sys.executable)

    def _folder(self, deployment: str) -> DeploymentFolder:
        return DeploymentFolder(self.home / "local" / self.project / deployment)

    def _write(self, folder: DeploymentFolder, wanted: Wanted) -> None:
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.write_wanted(wanted)
        except OSError as exc:
            raise StoreRefused(
                f"The folder {folder.root} cannot be written: {exc.strerror or exc}.",
                "LOCAL keeps each deployment's state there.",
                "Free some space or grant access, or set MOORAGE_HOME to another folder.",
            ) from exc

    def _supervise(self, folder: DeploymentFolder) -> None:
        """Makes sure that a supervisor lives; it leaves this process at once and outlives it."""
        if folder.is_supervised():
            return
        with open(folder.root / "supervisor.log", "ab") as log:
            ended = subprocess.run(
                [sys.executable, "-m", "moorage.serving.local.supervisor", str(folder.root)],
                env=inherited(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                check=False,
                timeout=60,
            )
        if ended.returncode:
            raise BackendUnavailable(
                f"The supervisor of {folder.root.name!r} did not start: exit code {ended.returncode}.",
                mend=f"Read {folder.root / 'supervisor.log'}.",
            )


def _another_store(deployment: str, store: str) -> Verdict:
    return Verdict(
        Cause.ANOTHER_STORE,
        f"Deployment {deployment!r} runs here already, from the store {store}.",
        "What LOCAL runs under one name comes from one store.",
        f"Stop that one (MOORAGE_STORE={store} moorage deployment stop {deployment}), or set another MOORAGE_HOME.",
    )
