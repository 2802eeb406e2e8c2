"""The supervisor as a real process, with a model server that starts at once."""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from moorage.serving.local.folder import DeploymentFolder, SupervisorStatus, Wanted
from moorage.serving.local.patience import MAX_DELAY_S, restart_delay
from moorage.serving.local.process import Listener, is_alive
from moorage.startup import StartupFailure
from tests.waiting import until

STUB = Path(__file__).with_name("stub_server.py")


class Harness:
    """One deployment folder with a real supervisor, asked through files as the backend does."""

    def __init__(self, root: Path) -> None:
        self.folder = DeploymentFolder(root)

    def want(self, revision: int, behaviour: str = "serve", *, port: int | None = None, run: bool = True) -> str:
        token = secrets.token_hex(4)
        variables = {
            "MOORAGE_REVISION_FILE": str(self.folder.revision_file(revision, token)),
            "MOORAGE_REPORT_FILE": str(self.folder.report_file(revision, token)),
        }
        argv = (sys.executable, str(STUB), behaviour)
        number = json.dumps({"number": revision})
        identity = f"revision {revision}"
        self.folder.write_wanted(
            Wanted(token, run, revision, "127.0.0.1", port, argv, variables, number, identity=identity)
        )
        self.supervise()
        return token

    def supervise(self) -> None:
        module = "moorage.serving.local.supervisor"
        subprocess.run([sys.executable, "-m", module, str(self.folder.root)], check=True, timeout=60)

    @property
    def status(self) -> SupervisorStatus:
        status = self.folder.read_status()
        assert status is not None
        return status

    def serving_pid(self) -> int | None:
        """Of the server that has the socket; None while none has."""
        serving = self.status.serving
        return None if serving is None else serving.pid

    def ask(self) -> tuple[int, int]:
        """Revision and process id of whoever answers."""
        text = httpx.get(f"http://127.0.0.1:{self.status.port}", trust_env=False, timeout=20).text
        revision, pid = text.split()
        return int(revision), int(pid)

    def until_serving(self, revision: int) -> None:
        def serving() -> bool:
            status = self.folder.read_status()
            return status is not None and status.serving is not None and status.serving.revision == revision

        until(serving, what=f"revision {revision} serving")

    def until_failed(self, token: str) -> StartupFailure:
        def failure() -> StartupFailure | None:
            status = self.folder.read_status()
            return status.failure if status and status.token == token else None

        return until(failure, what="the failure")

    def stop(self) -> None:
        self.want(0, run=False)
        until(lambda: not self.folder.is_supervised(), what="the end of the supervisor")


@pytest.fixture
def harness(tmp_path):
    harness = Harness(tmp_path / "deployment")
    yield harness
    status = harness.folder.read_status()
    if status is not None:
        harness.stop()


def test_a_wanted_revision_serves(harness):
    harness.want(1)
    harness.until_serving(1)
    assert harness.ask()[0] == 1


def test_it_listens_on_loopback_only(harness):
    harness.want(1)
    harness.until_serving(1)
    listening = [c.laddr.ip for c in psutil.Process(harness.status.pid).connections() if c.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


def test_a_new_revision_takes_over_on_the_same_port(harness):
    harness.want(1)
    harness.until_serving(1)
    port = harness.status.port
    harness.want(2)
    harness.until_serving(2)
    assert harness.status.port == port
    until(lambda: harness.ask()[0] == 2)
    until(lambda: not harness.status.leaving, what="the old server's end")


def test_a_failing_revision_leaves_the_old_one_serving(harness):
    harness.want(1)
    harness.until_serving(1)
    failure = harness.until_failed(harness.want(2, "fail"))
    assert (failure.cause, failure.file, failure.line) == ("SCRIPT_ERROR", "predictor.py", 7)
    assert harness.ask()[0] == 1


def test_a_revision_that_crashes_without_a_word_is_tried_three_times(harness):
    failure = harness.until_failed(harness.want(1, "crash"))
    assert failure.cause == "CRASHED"
    assert harness.folder.log_file(1).read_text().count("behaviour: crash") == 3
    assert failure.traceback == ("behaviour: crash",) * 3


def test_wanting_what_failed_again_tries_it_again(harness):
    harness.until_failed(harness.want(1, "fail"))
    harness.until_failed(harness.want(1, "fail"))
    assert harness.folder.log_file(1).read_text().count("behaviour: fail") == 2


def test_wanting_the_old_one_again_keeps_its_process(harness):
    harness.want(1)
    harness.until_serving(1)
    pid = harness.ask()[1]
    harness.until_failed(harness.want(2, "fail"))
    token = harness.want(1)
    until(lambda: harness.status.token == token)
    assert harness.ask() == (1, pid)


def test_a_newer_wish_ends_the_start_of_an_older_one(harness):
    harness.want(1, "hang")
    until(lambda: (s := harness.folder.read_status()) and s.coming)
    hanging = harness.status.coming
    harness.want(2)
    harness.until_serving(2)
    until(lambda: not is_alive(hanging), what="the end of the hanging server")


def test_a_killed_server_is_started_again_and_connections_wait(harness):
    harness.want(1)
    harness.until_serving(1)
    _, pid = harness.ask()
    os.kill(pid, signal.SIGKILL)
    until(lambda: harness.status.serving is None or harness.status.serving.pid != pid)
    revision, new = harness.ask()
    assert (revision, new != pid) == (1, True)
    until(lambda: harness.status.restarts == 1)


def test_a_server_that_outlived_its_supervisor_is_adopted(harness):
    harness.want(1)
    harness.until_serving(1)
    before = harness.ask()
    os.kill(harness.status.pid, signal.SIGKILL)
    until(lambda: not harness.folder.is_supervised())
    assert harness.ask() == before
    harness.supervise()
    until(lambda: harness.folder.is_supervised())
    assert harness.ask() == before
    harness.want(2)
    harness.until_serving(2)
    until(lambda: harness.ask()[0] == 2)


def test_an_adopted_server_that_dies_is_replaced(harness):
    harness.want(1)
    harness.until_serving(1)
    pid = harness.ask()[1]
    os.kill(harness.status.pid, signal.SIGKILL)
    until(lambda: not harness.folder.is_supervised())
    harness.supervise()
    os.kill(pid, signal.SIGKILL)
    until(lambda: harness.serving_pid() not in (None, pid))
    assert harness.ask()[0] == 1


def test_a_start_that_outlived_its_supervisor_is_ended_by_the_next_one(harness):
    harness.want(1, "hang")
    until(lambda: (s := harness.folder.read_status()) and s.coming)
    hanging = harness.status.coming
    os.kill(harness.status.pid, signal.SIGKILL)
    until(lambda: not harness.folder.is_supervised())
    harness.stop()
    assert not is_alive(hanging)


def test_what_a_script_started_ends_with_its_server(harness):
    harness.want(1, "children")
    harness.until_serving(1)
    child = int(harness.folder.log_file(1).read_text().split("child: ")[1])
    assert psutil.pid_exists(child)
    os.kill(harness.ask()[1], signal.SIGKILL)
    until(lambda: not psutil.pid_exists(child), what="the end of the child")


def test_a_supervisor_whose_folder_was_removed_ends_with_its_server(harness):
    harness.want(1)
    harness.until_serving(1)
    old = harness.status
    harness.folder.remove()
    until(lambda: not psutil.pid_exists(old.pid), what="the end of the supervisor")
    assert not is_alive(old.serving)
    harness.want(1)
    harness.until_serving(1)


@pytest.mark.parametrize("spoilt", ["garbage {", "[]", '{"pid": 1}'], ids=["no JSON", "a list", "fields missing"])
def test_spoilt_records_keep_nobody_from_serving_and_leave_no_orphan(harness, spoilt):
    harness.want(1)
    harness.until_serving(1)
    old = harness.status
    os.kill(old.pid, signal.SIGKILL)
    until(lambda: not harness.folder.is_supervised())
    for name in ("status.json", "served.json"):
        (harness.folder.root / name).write_text(spoilt)
    harness.supervise()
    harness.until_serving(1)
    until(lambda: not is_alive(old.serving), what="the end of the orphan")
    assert harness.ask()[0] == 1


def test_a_status_that_somebody_spoilt_is_written_again(harness):
    harness.want(1)
    harness.until_serving(1)
    (harness.folder.root / "status.json").write_text("garbage {")
    until(harness.folder.read_status)
    assert harness.status.serving is not None


def test_a_full_disk_does_not_end_the_supervisor(tmp_path):
    root = tmp_path / "deployment"
    root.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", root], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system takes root")
    harness = Harness(root)
    try:
        harness.want(1)
        harness.until_serving(1)
        with contextlib.suppress(OSError), open(root / "filler", "wb") as filler:
            filler.write(bytes(2_000_000))
        pid = harness.ask()[1]
        os.kill(pid, signal.SIGKILL)
        until(lambda: not psutil.pid_exists(pid), what="the supervisor's look at it")
        (root / "filler").unlink()
        until(lambda: harness.serving_pid() not in (None, pid), what="the restart")
        assert harness.ask()[0] == 1
        harness.stop()
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)


def test_stop_leaves_no_process_and_no_listener(harness):
    harness.want(1)
    harness.until_serving(1)
    status = harness.status
    harness.stop()
    assert not is_alive(status.serving)
    until(lambda: not psutil.pid_exists(status.pid), what="the end of the supervisor's process")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{status.port}", trust_env=False)


def test_the_port_is_kept_over_a_stop(harness):
    harness.want(1)
    harness.until_serving(1)
    port = harness.status.port
    harness.stop()
    harness.want(1)
    harness.until_serving(1)
    assert harness.status.port == port


def test_a_start_during_a_stop_is_not_lost(harness):
    harness.want(1)
    harness.until_serving(1)
    for revision in range(2, 6):
        harness.want(revision, run=False)
        harness.want(revision)
        harness.until_serving(revision)


def test_a_port_in_use_is_told(harness):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        failure = harness.until_failed(harness.want(1, port=taken.getsockname()[1]))
    assert failure.cause == "PORT_IN_USE"


def test_two_deployments_never_share_a_port(tmp_path, harness):
    harness.want(1)
    harness.until_serving(1)
    with pytest.raises(OSError, match="Address already in use"):
        Listener.bind("127.0.0.1", harness.status.port)


def test_only_one_supervisor_takes_the_seat(harness):
    harness.want(1)
    harness.until_serving(1)
    pid = harness.status.pid
    harness.supervise()
    assert harness.status.pid == pid
    assert harness.folder.take_seat() is None


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 0.5), (1, 1), (3, 4), (6, MAX_DELAY_S), (99, MAX_DELAY_S)])
def test_the_back_off_doubles_up_to_its_bound(attempt, seconds):
    assert restart_delay(attempt) == seconds
