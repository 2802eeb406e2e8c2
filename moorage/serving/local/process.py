"""Listeners and model server processes, as the supervisor holds them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import psutil

from moorage import environment
from moorage.serving.local.folder import DeploymentFolder, ServerStatus, Wanted, write_atomically
from moorage.startup import Cause, Stage, StartupFailure, StartupReport

# Connections that wait while a server is started again; the kernel may hold fewer (net.core.somaxconn).
BACKLOG: Final = 1024
_LOG_TAIL: Final = 5
# The start of a process is known to a hundredth of a second, that of the machine to a second.
_SAME_BIRTH_S: Final = 2


@dataclass(frozen=True)
class Listener:
    """A bound socket that outlives every model server it is handed to."""

    host: str
    port: int
    sock: socket.socket

    @classmethod
    def bind(cls, host: str, port: int | None) -> Listener:
        """Binds and listens; None takes a free port. Raises OSError when somebody else has the port."""
        address = _address(host, port or 0)
        # SO_REUSEPORT below would let two deployments of one user share a port without a word. This bind, without it,
        # fails when anybody listens there.
        with socket.socket(address[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address[1])
            free = int(probe.getsockname()[1])
        listener = cls.share(host, free)
        listener.sock.listen(BACKLOG)
        return listener

    @classmethod
    def share(cls, host: str, port: int) -> Listener:
        """Binds beside a listener of our own that another process still holds; whoever is handed it listens on it."""
        family, address = _address(host, port)
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
        return cls(host, port, sock)

    def suits(self, wanted: Wanted) -> bool:
        """Whether a revision that wants this address can be served here."""
        return self.host == wanted.host and wanted.port in (None, self.port)


class Process(Protocol):
    """A process that can be looked at and sent signals."""

    @property
    def status(self) -> ServerStatus: ...

    def exit_code(self) -> int | None:
        """None while it lives; negative: ended by that signal."""
        ...

    def send(self, signum: signal.Signals) -> None:
        """Sends a signal; to one that is gone, nothing happens."""
        ...


class Server(Process, Protocol):
    """A model server, with what was wanted of it and the socket it was handed."""

    wanted: Wanted
    listener: Listener


class StartedServer:
    """A model server that this supervisor started."""

    def __init__(
        self, wanted: Wanted, folder: DeploymentFolder, listener: Listener, environ: Mapping[str, str]
    ) -> None:
        self.wanted = wanted
        self.listener = listener
        revision_file = folder.revision_file(wanted.revision)
        write_atomically(revision_file, wanted.revision_json)
        folder.report_file(wanted.revision).unlink(missing_ok=True)
        folder.logs.mkdir(mode=0o700, exist_ok=True)
        fd = listener.sock.fileno()
        with open(folder.log_file(wanted.revision), "ab") as log:
            self._process = subprocess.Popen(
                wanted.argv,
                env={**environ, **(wanted.variables or {}), environment.LISTEN_FD: str(fd)},
                cwd=revision_file.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(fd,),
            )
        self.status = ServerStatus(wanted.revision, self._process.pid, _born(self._process.pid))

    def exit_code(self) -> int | None:
        return self._process.poll()

    def send(self, signum: signal.Signals) -> None:
        self._process.send_signal(signum)


class Orphan:
    """A model server that outlived the supervisor that started it. Its exit code is nobody's to read any more."""

    def __init__(self, status: ServerStatus) -> None:
        self.status = status

    def exit_code(self) -> int | None:
        return None if is_alive(self.status) else 0

    def send(self, signum: signal.Signals) -> None:
        if is_alive(self.status):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.status.pid, signum)


class AdoptedServer(Orphan):
    """An orphan that goes on serving."""

    def __init__(self, wanted: Wanted, listener: Listener, status: ServerStatus) -> None:
        super().__init__(status)
        self.wanted = wanted
        self.listener = listener


def is_alive(server: ServerStatus) -> bool:
    """Whether just this process lives: not a zombie, and no later one that was given its id."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(server.pid)
        same = abs(_since_boot(process) - server.born) < _SAME_BIRTH_S
        return same and process.status() != psutil.STATUS_ZOMBIE
    return False


def failure_of(server: Server, folder: DeploymentFolder, exit_code: int) -> dict[str, object]:
    """Why a server ended before it was ready: its own report, else what its end and its log tell."""
    report = read_report(server, folder)
    failure = (report and report.failure) or _failure_without_words(exit_code)
    return {
        "cause": failure.cause.value,
        "message": failure.message,
        "expected": failure.expected,
        "mend": failure.mend,
        "file": failure.file,
        "line": failure.line,
        "traceback": list(failure.traceback),
        "evidence": [] if failure.traceback else log_tail(folder.log_file(server.wanted.revision), _LOG_TAIL),
    }


def stage_of(server: Server, folder: DeploymentFolder) -> Stage | None:
    """How far the server says it has come; None before its first word."""
    report = read_report(server, folder)
    return report.stage if report else None


def read_report(server: Server, folder: DeploymentFolder) -> StartupReport | None:
    """What the server last told of its start; None before its first word."""
    try:
        text = folder.report_file(server.wanted.revision).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return StartupReport.from_json(text)


def log_tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log, newest last; none for a log that is not there."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 400 * lines))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def rotate_log(path: Path, max_bytes: int) -> None:
    """Moves a log's content to `<name>.1` when it has grown too long, under the feet of whoever appends to it.

    The model server holds the file open for appending, so the file is copied and cut, not renamed. Lines written
    between the two are lost: a few, at most once every `max_bytes`.
    """
    try:
        if path.stat().st_size <= max_bytes:
            return
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)
    except FileNotFoundError:
        return


def _failure_without_words(exit_code: int) -> StartupFailure:
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        mend = (
            "If nobody did that by hand, the machine ran out of memory: see `dmesg`, or deploy a smaller model."
            if exit_code == -signal.SIGKILL
            else "Read its log: `moorage deployment logs`."
        )
        return StartupFailure(Cause.KILLED, f"The model server was ended by {name} before it was ready.", mend=mend)
    return StartupFailure(
        Cause.CRASHED,
        f"The model server ended with exit code {exit_code} before it was ready, without a reason.",
        mend="Read its log: `moorage deployment logs`.",
    )


def _born(pid: int) -> float:
    try:
        return _since_boot(psutil.Process(pid))
    except psutil.Error:
        return 0.0


def _since_boot(process: psutil.Process) -> float:
    """Seconds from the machine's start to the process's: unlike the time of day, nobody sets that anew."""
    return float(process.create_time() - psutil.boot_time())


def _address(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, (str(address[0]), int(address[1]))
