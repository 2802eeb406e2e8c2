"""`make orchestrator` as a test uses it: a Prefect server, a worker and all of prefect.yaml, real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.prefect_api import PrefectApi
from moorage import lifecycle
from moorage.settings import Settings
from moorage.site import Site
from tests.free_port import free_port
from tests.waiting import until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Orchestrator:
    """Where the server is asked, and what its processes find in their environment.

    Attributes:
        api: the base URL of the API.
        environ: what a person needs to reach them, in a shell of their own.
        log: what the worker and its runs print.
        pid: of the process that started all others.
    """

    api: str
    environ: dict[str, str]
    log: Path
    pid: int

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        """What the API answers; fails on an error."""
        return PrefectApi(self.api).ask(verb, path, body)

    def deployment(self, name: str) -> dict[str, Any]:
        """One of the Prefect deployments, by its name."""
        found = self.ask("POST", "/deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        assert len(found) == 1, f"{len(found)} Prefect deployments are called {name}"
        return dict(found[0])

    def start(self, name: str, **parameters: Any) -> str:
        """Starts a run as the form does; returns its id."""
        deployment = self.deployment(name)
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.ask("POST", f"/deployments/{deployment['id']}/create_flow_run", body)["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        """A run as it stands."""
        return dict(self.ask("GET", f"/flow_runs/{run_id}"))

    def runs(self, name: str) -> list[dict[str, Any]]:
        """The runs of a Prefect deployment, oldest first."""
        wanted = {"deployments": {"name": {"any_": [name]}}, "sort": "START_TIME_ASC"}
        return list(self.ask("POST", "/flow_runs/filter", wanted))

    @property
    def ui(self) -> str:
        """Where a browser goes."""
        return self.api.removesuffix("/api")

    def until_runs(self, name: str, count: int) -> list[dict[str, Any]]:
        """The runs of a Prefect deployment once there are so many, oldest first."""
        return until(
            lambda: found if len(found := self.runs(name)) >= count else None,
            timeout_s=120,
            what=f"run {count} of {name}",
            poll_s=0.2,
        )

    def until_state(self, run_id: str, *names: str, timeout_s: float = 120) -> dict[str, Any]:
        """The run once its state has one of these names; fails when it ends otherwise."""

        def look() -> dict[str, Any] | None:
            run = self.run(run_id)
            assert run["state"]["name"] in names or run["state_type"] not in _ENDED, self._told(run)
            return run if run["state"]["name"] in names else None

        return until(look, timeout_s=timeout_s, what=f"{' or '.join(names)} of a run", poll_s=0.2)

    def _told(self, run: dict[str, Any]) -> str:
        printed = self.log.read_text()[-4000:] if self.log.exists() else ""
        return f"{run['name']} is {run['state']['name']}: {run['state'].get('message')}\n{printed}"


_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@contextmanager
def running_orchestrator(folder: Path, **variables: str) -> Iterator[Orchestrator]:
    """What `make orchestrator` runs, with a home of its own, and gone afterwards; `variables` are for the runs too."""
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MOORAGE"))} | {
        "MOORAGE_HOME": str(folder / "home"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        **variables,
    }
    command = [sys.executable, "-m", "flows", "orchestrator", "--port", str(port)]
    told = folder / "told.log"
    with told.open("w") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=out, stderr=out, start_new_session=True)
        try:
            until(lambda: _is_up(process, told), timeout_s=240, what="the start of the orchestrator")
            api = f"http://127.0.0.1:{port}/api"
            log = folder / "home" / "orchestrator" / "worker.log"
            yield Orchestrator(api, environ | {"PREFECT_API_URL": api}, log, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(90)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
    assert process.returncode == 0, told.read_text()


def quiet_site(orchestrator: Orchestrator) -> Site:
    """The site of the worker's runs; nobody is told of the models that are registered at it here."""
    settings = Settings.from_env(orchestrator.environ).model_copy(update={"events": "none"})
    return Site(settings, "ada@lovelace")


@contextmanager
def site_of_runs(orchestrator: Orchestrator) -> Iterator[Site]:
    """The site of the worker's runs, as a person elsewhere opens it; what they started is stopped afterwards."""
    site = Site(Settings.from_env(orchestrator.environ), "ada@lovelace")
    yield site
    for view in lifecycle.deployments(site):
        lifecycle.stop(site, view.name)


def _is_up(process: subprocess.Popen[bytes], told: Path) -> bool:
    assert process.poll() is None, told.read_text()
    return "Prefect's UI: http" in told.read_text()
