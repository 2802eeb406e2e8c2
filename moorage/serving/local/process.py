"""Listeners and model server processes, as the supervisor holds them."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

import psutil

from moorage import environment
from moorage.birth import born, lives
from moorage.serving.local.folder import DeploymentFolder, ServerStatus, Wanted, write_atomically
from moorage.serving.local.housekeeping import log_tail
from moorage.startup import Cause, Stage, StartupFailure, StartupReport

# Connections that wait while a server is started again; the kernel may hold fewer (net.core.somaxconn).
BACKLOG: Final = 1024
_LOG_TAIL: Final = 5


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
        revision_file = folder.revision_file(wanted.revision, wanted.token)
        write_atomically(revision_file, wanted.revision_json)
        folder.report_file(wanted.revision, wanted.token).unlink(missing_ok=True)
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
                # a group of its own: what the user's script starts ends with it
                start_new_session=True,
            )
        pid = self._process.pid
        self.status = ServerStatus(wanted.revision, pid, born(pid), wanted.identity)

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
    return lives(server.pid, server.born)


def strays(folder: DeploymentFolder) -> list[ServerStatus]:
    """This folder's model servers, found among all processes by their environment: whatever became of the records."""
    starts = str(folder.starts)
    found = []
    for process in psutil.process_iter(["environ"]):
        report_file = (process.info["environ"] or {}).get(environment.REPORT_FILE, "")
        # what a script has started inherits the environment, but leads no process group
        if report_file.startswith(f"{starts}/") and _leads_group(process.pid):
            found.append(ServerStatus(0, process.pid, born(process.pid)))
    return found


def send_to_group(leader: int, signum: int) -> bool:
    """Sends a signal to all that is left of a process group; False when nothing is. Signal 0 only looks."""
    try:
        os.killpg(leader, signum)
    except ProcessLookupError:
        return False
    except PermissionError:  # a zombie's group on macOS
        return False
    return True


def failure_of(server: Server, folder: DeploymentFolder, exit_code: int) -> StartupFailure:
    """Why a server ended before it was ready: its own report, else what its end and its log tell."""
    report = read_report(server, folder)
    failure = (report and report.failure) or _failure_without_words(exit_code)
    if failure.traceback:
        return failure
    return replace(failure, traceback=tuple(log_tail(folder.log_file(server.wanted.revision), _LOG_TAIL)))


def ended_how(exit_code: int) -> str:
    """`with exit code 7`, `by SIGKILL`."""
    if exit_code >= 0:
        return f"with exit code {exit_code}"
    try:
        return f"by {signal.Signals(-exit_code).name}"
    except ValueError:  # a real-time signal has no name
        return f"by signal {-exit_code}"


def stage_of(server: Server, folder: DeploymentFolder) -> Stage | None:
    """How far the server says it has come; None before its first word."""
    report = read_report(server, folder)
    return report.stage if report else None


def read_report(server: Server, folder: DeploymentFolder) -> StartupReport | None:
    """What the server last told of its start; None before its first word."""
    try:
        text = folder.report_file(server.wanted.revision, server.wanted.token).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return StartupReport.from_json(text)


def start_failure(target: Wanted, exc: OSError) -> StartupFailure:
    """Why a server could not even be started: its address, its interpreter, or the disk."""
    if isinstance(exc, socket.gaierror) or exc.errno == errno.EADDRNOTAVAIL:
        return StartupFailure(
            Cause.ADDRESS_UNUSABLE,
            f"Host {target.host!r} is not one to listen on here ({exc.strerror or exc}).",
            "local.host is a name or an address of this machine.",
            "Set local.host to 127.0.0.1, or leave it out.",
        )
    if exc.errno in (errno.EADDRINUSE, errno.EACCES):
        reason = "in use" if exc.errno == errno.EADDRINUSE else "not ours to listen on"
        return StartupFailure(
            Cause.PORT_IN_USE,
            f"Port {target.port} on {target.host} is {reason}.",
            "A deployment listens on a port of its own.",
            "Set local.port to another one, or leave it out and a free one is chosen.",
        )
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        return StartupFailure(
            Cause.DISK_FULL,
            f"The model server could not be started: {exc.strerror}.",
            mend="Free some space where MOORAGE_HOME is.",
        )
    return StartupFailure(
        Cause.ENVIRONMENT_BROKEN,
        f"The model server could not be started: {exc}.",
        f"{target.argv[0]} is a Python with Moorage's runtime in it.",
        "Mend the environment, or name another one.",
    )


def _failure_without_words(exit_code: int) -> StartupFailure:
    ended = f"The model server ended {ended_how(exit_code)} before it was ready"
    read_log = "Read its log: `moorage deployment logs`."
    if exit_code == -signal.SIGKILL:
        mend = "If nobody did that by hand, the machine ran out of memory: see `dmesg`, or deploy a smaller model."
        return StartupFailure(Cause.KILLED, f"{ended}.", mend=mend)
    if exit_code < 0:
        return StartupFailure(Cause.KILLED, f"{ended}.", mend=read_log)
    return StartupFailure(Cause.CRASHED, f"{ended}, without a reason.", mend=read_log)


def _leads_group(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def _address(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, (str(address[0]), int(address[1]))
