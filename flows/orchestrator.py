"""A Prefect server, a process worker and all of prefect.yaml on this machine: what `make orchestrator` runs.

Server and worker are processes of their own session, so that Ctrl-C reaches them only when we say so: Prefect's worker
kills the runs that it has when it is told to end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from flows.zombies import HEARTBEAT_S, watch_for_zombies
from moorage.errors import PlatformError

ROOT: Final = Path(__file__).parents[1]
POOL: Final = "local"
# A first start makes the database.
_START_S: Final = 180
_END_S: Final = 20
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Orchestrator:
    """Where the server is, and the environment of all its processes.

    Attributes:
        folder: for the logs.
    """

    url: str
    environ: Mapping[str, str]
    folder: Path

    @property
    def api(self) -> str:
        return f"{self.url}/api"


@contextmanager
def running_orchestrator(
    port: int, folder: Path, *, runs_at_once: int, say: Callable[[str], None]
) -> Iterator[Orchestrator]:
    """Starts all of it and registers prefect.yaml; ends it afterwards, once the runs that go on are over.

    Args:
        port: of the server, on this machine alone.
        folder: for the logs; made if need be.
        say: told what is going on.

    Raises:
        PlatformError: one of them did not start; what it printed is in its log.
    """
    url = f"http://127.0.0.1:{port}"
    environ = os.environ | {
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
        "DO_NOT_TRACK": "1",
    }
    environ.setdefault("PREFECT_WORKER_QUERY_SECONDS", "2")
    folder.mkdir(parents=True, exist_ok=True)
    orchestrator = Orchestrator(url, environ, folder)
    say("starting the server (the first time this takes half a minute)")
    with _process(orchestrator, "server", "server", "start", "--host", "127.0.0.1", "--port", str(port)) as server:
        _wait_until_healthy(orchestrator, server)
        say("registering prefect.yaml")
        _run(orchestrator, "work-pool", "create", POOL, "--type", "process", "--overwrite")
        _run(orchestrator, "--no-prompt", "deploy", "--all")
        watch_for_zombies(orchestrator.api)
        worker = ("worker", "start", "--pool", POOL, "--limit", str(runs_at_once))
        with _process(orchestrator, "worker", *worker):
            yield orchestrator
            _let_runs_end(orchestrator, say)


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and the end of the terminal raise KeyboardInterrupt, each time they come."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def until_interrupted() -> None:
    """Returns once this process is told to end; see `interruptible`."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


def _let_runs_end(orchestrator: Orchestrator, say: Callable[[str], None]) -> None:
    """Lets no new run begin and waits for those that go on; a KeyboardInterrupt ends the waiting."""
    pool = f"{orchestrator.api}/work_pools/{POOL}"
    _ask("PATCH", pool, {"is_paused": True})
    try:
        while count := len(_ask("POST", f"{orchestrator.api}/flow_runs/filter", _GOING_ON)):
            runs = "one run" if count == 1 else f"{count} runs"
            say(f"waiting for {runs} to end; Ctrl-C ends them now, and the next run goes on with what was in flight")
            time.sleep(1)
    except KeyboardInterrupt:
        say("ending the runs")
    finally:
        _ask("PATCH", pool, {"is_paused": False})


_GOING_ON: Final = {
    "flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}},
    "work_pools": {"name": {"any_": [POOL]}},
}


def _ask(verb: str, url: str, body: Any) -> Any:
    answer = httpx.request(verb, url, json=body, timeout=10, trust_env=False)
    answer.raise_for_status()
    return answer.json() if answer.content else None


@contextmanager
def _process(orchestrator: Orchestrator, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of Prefect's processes while the block lasts; what it prints goes to `<name>.log`."""
    with (orchestrator.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=ROOT,
            env=dict(orchestrator.environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Whoever presses Ctrl-C meanwhile must not leave it behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_until_healthy(orchestrator: Orchestrator, server: subprocess.Popen[bytes]) -> None:
    def look() -> bool:
        if server.poll() is not None:
            raise _not_started(orchestrator, "The Prefect server ended while it started.")
        try:
            return httpx.get(f"{orchestrator.api}/health", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    retrying = Retrying(
        stop=stop_after_delay(_START_S),
        wait=wait_fixed(0.3),
        retry=retry_if_result(lambda healthy: not healthy),
        retry_error_callback=lambda _: False,
    )
    if not retrying(look):
        raise _not_started(orchestrator, f"The Prefect server did not answer within {_START_S} s.")


def _run(orchestrator: Orchestrator, *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(orchestrator.environ), capture_output=True, text=True, check=False, timeout=_START_S
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise PlatformError(f"`prefect {' '.join(arguments)}` failed: {said}", mend="See prefect.yaml.")


def _not_started(orchestrator: Orchestrator, what: str) -> PlatformError:
    return PlatformError(
        what,
        f"It listens at {orchestrator.url}.",
        f"See {orchestrator.folder / 'server.log'}; another port may be free: --port.",
    )
