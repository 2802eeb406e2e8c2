"""A Prefect server of a test's own, which can be taken away and brought back, and a process worker on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.flows.orchestrator import ROOT, Orchestrator
from tests.free_port import free_port
from tests.waiting import until


@dataclass
class PrefectServer:
    """A server with a database of its own, at one address whatever happens to it.

    Attributes:
        environ: what whoever uses it finds in the environment.
    """

    folder: Path
    host: str = "127.0.0.1"
    variables: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.api = f"http://{self.host}:{free_port(self.host)}/api"
        given = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MOORAGE"))}
        self.environ = given | {
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            **self.variables,
        }

    @property
    def orchestrator(self) -> Orchestrator:
        """How a test asks it."""
        assert self._process is not None
        return Orchestrator(self.api, self.environ, self.folder / "worker.log", self._process.pid)

    def start(self) -> None:
        """Returns once it answers."""
        port = self.api.removesuffix("/api").rpartition(":")[2]
        listening = ("--host", self.host, "--port", port)
        self._process = self.run("server", "server", "start", *listening, module="flows.prefect_server")
        until(self._is_healthy, timeout_s=240, what="the start of Prefect's server")

    def kill(self) -> None:
        """As a machine that goes down does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """As its owner does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)

    def run(self, log: str, *arguments: str, module: str = "prefect") -> subprocess.Popen[bytes]:
        """One of Prefect's commands, begun."""
        with (self.folder / f"{log}.log").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=self.environ,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def command(self, *arguments: str) -> None:
        """One of Prefect's commands, which must succeed."""
        command = [sys.executable, "-m", "prefect", *arguments]
        done: Any = subprocess.run(
            command, cwd=ROOT, env=self.environ, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.api}/health", trust_env=False).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def running_server(folder: Path, host: str = "127.0.0.1", **variables: str) -> Iterator[PrefectServer]:
    """A server that is gone afterwards; `variables` are for all that runs with it."""
    server = PrefectServer(folder, host, variables)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def process_worker(server: PrefectServer, pool: str = "local") -> Iterator[subprocess.Popen[bytes]]:
    """A worker for a pool that is made for it, with all of prefect.yaml."""
    server.environ["PREFECT_DEFAULT_WORK_POOL_NAME"] = pool
    server.command("work-pool", "create", pool, "--type", "process")
    server.command("--no-prompt", "deploy", "--all")
    worker = server.run("worker", "worker", "start", "--pool", pool)
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(60)
