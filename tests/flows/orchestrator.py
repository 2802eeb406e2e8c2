"""A Prefect server, a process worker, and all of prefect.yaml registered: real processes on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.waiting import until

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Orchestrator:
    """Where the server is asked, and what its processes find in their environment.

    Attributes:
        api: the base URL of the API.
        environ: of server and worker, and so of every run.
        log: what the worker and its runs print.
    """

    api: str
    environ: dict[str, str]
    log: Path

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        """What the API answers; fails on an error."""
        answer = httpx.request(verb, f"{self.api}{path}", json=body, timeout=30, trust_env=False)
        assert answer.is_success, f"{verb} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

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

    def until_state(self, run_id: str, *names: str, timeout_s: float = 120) -> dict[str, Any]:
        """The run once its state has one of these names; fails when it ends otherwise."""

        def look() -> dict[str, Any] | None:
            run = self.run(run_id)
            assert run["state"]["name"] in names or run["state_type"] not in _ENDED, self._told(run)
            return run if run["state"]["name"] in names else None

        return until(look, timeout_s=timeout_s, what=f"{' or '.join(names)} of a run")

    def _told(self, run: dict[str, Any]) -> str:
        return f"{run['name']} is {run['state']['name']}: {run['state'].get('message')}\n{self.log.read_text()[-4000:]}"


_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@contextmanager
def running_orchestrator(folder: Path, **variables: str) -> Iterator[Orchestrator]:
    """All of it, with a home of its own; `variables` are for the runs. It is gone afterwards."""
    port = _free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MOORAGE"))} | {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "DO_NOT_TRACK": "1",
        **variables,
    }
    orchestrator = Orchestrator(environ["PREFECT_API_URL"], environ, folder / "worker.log")
    server = ("server", "start", "--host", "127.0.0.1", "--port", str(port))
    with _started(folder / "server.log", environ, *server):
        until(lambda: _is_healthy(orchestrator.api), timeout_s=180, what="the start of the server")
        prefect(environ, "work-pool", "create", "local", "--type", "process")
        prefect(environ, "--no-prompt", "deploy", "--all")
        with _started(orchestrator.log, environ, "worker", "start", "--pool", "local"):
            yield orchestrator


def prefect(environ: dict[str, str], *arguments: str) -> str:
    """Prefect's own command, from the checkout's root."""
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def _started(log: Path, environ: dict[str, str], *arguments: str) -> Iterator[None]:
    """One of Prefect's processes, with the signals that a terminal would give it."""
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=ROOT,
            env=environ,
            stdout=out,
            stderr=subprocess.STDOUT,
            restore_signals=True,
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)


def _is_healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
