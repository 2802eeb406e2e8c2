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
from http.client import NOT_FOUND
from pathlib import Path
from typing import Final

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from flows.prefect_api import PrefectApi
from flows.zombies import HEARTBEAT_S, give_up_unbegun, watch_for_zombies
from moorage.errors import BackendUnavailable, PlatformError

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
        runs_at_once: how many the worker takes.
    """

    url: str
    environ: Mapping[str, str]
    folder: Path
    runs_at_once: int

    @property
    def api(self) -> PrefectApi:
        return PrefectApi(f"{self.url}/api")

    def start(self, name: str, *arguments: str, module: str = "prefect") -> subprocess.Popen[bytes]:
        """One of Prefect's processes; what it prints goes to `<name>.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_server(self, port: int) -> subprocess.Popen[bytes]:
        """What knows all runs; on this machine alone."""
        listening = ("--host", "127.0.0.1", "--port", str(port))
        return self.start("server", "server", "start", *listening, module="flows.prefect_server")

    def start_worker(self) -> subprocess.Popen[bytes]:
        """What takes the runs."""
        return self.start("worker", "worker", "start", "--pool", POOL, "--limit", str(self.runs_at_once))


def run_orchestrator(port: int, folder: Path, *, runs_at_once: int, say: Callable[[str], None]) -> None:
    """Starts all of it, registers prefect.yaml, and ends it when this process is told to, once its runs are over.

    Args:
        port: of the server, on this machine alone.
        folder: for the logs; made if need be.
        runs_at_once: how many the worker takes.
        say: told what is going on.

    Raises:
        PlatformError: the server did not start, or ended; what it printed is in its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    orchestrator = Orchestrator(f"http://127.0.0.1:{port}", _environ(port), folder, runs_at_once)
    say("starting the server (the first time this takes half a minute)")
    with interruptible(), contextlib.ExitStack() as at_end, contextlib.suppress(KeyboardInterrupt):
        server = orchestrator.start_server(port)
        at_end.callback(_end, server)
        _wait_until_healthy(orchestrator, server)
        say("registering prefect.yaml")
        if orchestrator.api.answer("GET", f"/work_pools/{POOL}").status_code == NOT_FOUND:
            _run(orchestrator, "work-pool", "create", POOL, "--type", "process")
        _run(orchestrator, "--no-prompt", "deploy", "--all")
        watch_for_zombies(orchestrator.api)
        say(f"Prefect's UI: {orchestrator.url}   (logs: {folder}; Ctrl-C ends it, once the runs that go on are over)")
        _keep_a_worker(orchestrator, server, say)


def _environ(port: int) -> dict[str, str]:
    url = f"http://127.0.0.1:{port}"
    given = {"PREFECT_WORKER_QUERY_SECONDS": "2"} | os.environ
    return given | {
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_URL": url,
        "PREFECT_DEFAULT_WORK_POOL_NAME": POOL,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
        "DO_NOT_TRACK": "1",
    }


def _keep_a_worker(orchestrator: Orchestrator, server: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
    """Until this process is told to end; a worker that ended is started again."""
    worker = orchestrator.start_worker()
    try:
        while server.poll() is None:
            time.sleep(1)
            if worker.poll() is not None:
                say(
                    f"the worker ended ({worker.returncode}) and is started again; see {orchestrator.folder}/worker.log"
                )
                give_up_unbegun(orchestrator.api, start_s=0, pool=POOL)
                worker = orchestrator.start_worker()
        raise _not_there(orchestrator, f"The Prefect server ended ({server.returncode}).")
    except KeyboardInterrupt:
        _let_runs_end(orchestrator, say)
    finally:
        _end(worker)


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and the end of the terminal raise KeyboardInterrupt, each time they come."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _let_runs_end(orchestrator: Orchestrator, say: Callable[[str], None]) -> None:
    """Lets no new run begin and waits for those that go on; a KeyboardInterrupt ends the waiting."""
    api, told = orchestrator.api, 0
    api.ask("PATCH", f"/work_pools/{POOL}", {"is_paused": True})
    try:
        while count := len(api.ask("POST", "/flow_runs/filter", _GOING_ON)):
            if count != told:
                runs = "one run" if count == 1 else f"{count} runs"
                say(f"waiting for {runs} to end; Ctrl-C ends it now, and the next run goes on with what was in flight")
                told = count
            time.sleep(1)
    except KeyboardInterrupt:
        say("ending the runs")
    finally:
        api.ask("PATCH", f"/work_pools/{POOL}", {"is_paused": False})


_GOING_ON: Final = {
    "flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}},
    "work_pools": {"name": {"any_": [POOL]}},
}


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
            raise _not_there(orchestrator, "The Prefect server ended while it started.")
        try:
            return orchestrator.api.answer("GET", "/health").is_success
        except BackendUnavailable:
            return False

    retrying = Retrying(
        stop=stop_after_delay(_START_S),
        wait=wait_fixed(0.3),
        retry=retry_if_result(lambda healthy: not healthy),
        retry_error_callback=lambda _: False,
    )
    if not retrying(look):
        raise _not_there(orchestrator, f"The Prefect server did not answer within {_START_S} s.")


def _run(orchestrator: Orchestrator, *arguments: str) -> None:
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(orchestrator.environ), capture_output=True, text=True, check=False, timeout=_START_S
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise PlatformError(f"`prefect {' '.join(arguments)}` failed: {said}", mend="See prefect.yaml.")


def _not_there(orchestrator: Orchestrator, what: str) -> PlatformError:
    return PlatformError(
        what,
        f"It listens at {orchestrator.url}.",
        f"See {orchestrator.folder / 'server.log'}; another port may be free: --port.",
    )
