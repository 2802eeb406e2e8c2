"""A deployment's folder: what is written there, and whose seat it is."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from moorage.serving.local.folder import (
    DeploymentFolder,
    ServerStatus,
    SupervisorStatus,
    Wanted,
    write_atomically,
)
from moorage.startup import Cause, StartupFailure

TAKE_THE_SEAT = """
import sys
from pathlib import Path
from moorage.serving.local.folder import DeploymentFolder

seat = DeploymentFolder(Path(sys.argv[1])).take_seat()
print("taken" if seat else "refused", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    return DeploymentFolder(tmp_path / "local/default/iris")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def sitter(folder: DeploymentFolder) -> subprocess.Popen[str]:
    """A process that takes the seat and keeps it for as long as it lives."""
    command = [sys.executable, "-c", TAKE_THE_SEAT, str(folder.root)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def seated(folder) -> Iterator[subprocess.Popen[str]]:
    with sitter(folder) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "taken\n"
        yield process
        process.kill()


def test_what_was_never_written_is_none(folder):
    assert folder.read_wanted() is None
    assert folder.read_served() is None
    assert folder.read_status() is None
    assert folder.wanted_stamp() is None


WANTED = {
    "least": Wanted("t", run=False, revision=1),
    "all": Wanted("t", True, 2, "::1", 8080, ("python", "-m", "x"), {"A": "é"}, '{"number": 2}', ("/a", "/b")),
}


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED.keys())
def test_what_is_wanted_and_what_served_are_read_as_written(folder, wanted):
    folder.write_wanted(wanted)
    folder.write_served(wanted)
    assert folder.read_wanted() == folder.read_served() == wanted


STATUS = {
    "least": SupervisorStatus(9, "t", "127.0.0.1", 80),
    "all": SupervisorStatus(
        *(9, "t", "::1", 80, ServerStatus(1, 101, 1.5), ServerStatus(2, 102, 2.5), (ServerStatus(0, 100, 0.1),)),
        *("LOADING", StartupFailure(Cause.KILLED, "m", traceback=("a line",)), "it ended", 3),
    ),
}


@pytest.mark.parametrize("status", STATUS.values(), ids=STATUS.keys())
def test_a_status_is_read_as_written(folder, status):
    folder.write_status(status)
    assert folder.read_status() == status


def test_writing_leaves_nothing_but_the_file(folder):
    for revision in (1, 2):
        folder.write_wanted(Wanted("t", True, revision))
    assert [path.name for path in folder.root.iterdir()] == ["wanted.json"]


def test_a_write_that_fails_leaves_the_old_text_and_nothing_else(tmp_path):
    write_atomically(tmp_path / "x.json", "old")
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        write_atomically(tmp_path / "x.json", "\udcff")
    assert (tmp_path / "x.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "x"
    texts = {letter * 100_000 for letter in "abc"}
    write_atomically(path, min(texts))
    done = threading.Event()

    def read() -> set[str]:
        seen = set()
        while not done.is_set():
            seen.add(path.read_text())
        return seen

    with ThreadPoolExecutor() as pool:
        reader = pool.submit(read)
        for text in sorted(texts) * 30:
            write_atomically(path, text)
        done.set()
    assert reader.result() <= texts


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=["lax", "strict"])
def test_nobody_else_can_read_what_is_written(folder, umask):
    before = os.umask(umask)
    try:
        folder.write_wanted(Wanted("t", True, 1, variables={"TOKEN": "hunter2"}))
    finally:
        os.umask(before)
    assert (mode(folder.root), mode(folder.root / "wanted.json")) == (0o700, 0o600)


def test_nobody_else_can_look_into_a_folder_that_was_made_for_its_seat(folder):
    with folder.take_seat():
        assert mode(folder.root) == 0o700


def test_the_stamp_changes_with_each_write(folder):
    stamps = []
    for _ in range(100):
        folder.write_wanted(Wanted("t", True, 1))
        stamps.append(folder.wanted_stamp())
    assert all(before != after for before, after in pairwise(stamps))


def test_the_stamp_stays_while_nothing_is_written(folder):
    folder.write_wanted(Wanted("t", True, 1))
    stamp = folder.wanted_stamp()
    folder.read_wanted()
    folder.write_status(SupervisorStatus(9, "t", "127.0.0.1", 80))
    assert folder.wanted_stamp() == stamp


def test_the_seat_is_one_processs_only(folder, seated):
    assert folder.take_seat() is None
    assert folder.is_supervised()
    with sitter(folder) as second:
        answer, _ = second.communicate("", timeout=30)
    assert answer == "refused\n"


def test_the_seat_is_free_again_when_its_holder_was_killed(folder, seated):
    seated.send_signal(signal.SIGKILL)
    seated.wait(30)
    assert not folder.is_supervised()
    seat = folder.take_seat()
    assert seat is not None
    seat.close()


def test_looking_whether_somebody_supervises_takes_no_seat(folder):
    folder.take_seat().close()
    assert [folder.is_supervised() for _ in range(3)] == [False] * 3


def test_a_folder_that_is_not_there_is_not_made_by_looking(folder):
    assert not folder.is_supervised()
    assert not folder.root.exists()


def test_many_who_look_at_once_do_not_take_each_other_for_the_supervisor(folder):
    folder.take_seat().close()
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda _: folder.is_supervised(), range(2_000)))
    assert seen.count(True) == 0


def test_removing_takes_everything_and_what_is_gone_is_fine(folder):
    folder.write_wanted(Wanted("t", True, 1))
    write_atomically(folder.revision_file(1, "token"), "{}")
    folder.remove()
    folder.remove()
    assert not folder.root.exists()


def test_each_revision_has_files_of_its_own(folder):
    assert folder.log_file(1) != folder.log_file(11)
    assert folder.report_file(1, "token") != folder.report_file(11, "token")
    assert folder.report_file(1, "token") != folder.report_file(1, "another")
