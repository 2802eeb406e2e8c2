"""One model deployment's folder on this machine: what is wanted, how it stands, and who supervises it.

Backend and supervisor speak through files only. That survives the death of either, needs no port and no protocol, and
leaves something to read for whoever is woken at night.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO, TypeVar

from moorage.startup import StartupFailure

log = logging.getLogger(__name__)

T = TypeVar("T")
Stamp = tuple[int, int]


@dataclass(frozen=True)
class Wanted:
    """What the backend asks of the supervisor.

    Attributes:
        token: new with every apply, so that asking again for what failed means trying again.
        identity: what tells revisions apart here: their digest and their store. Numbers alone do not, for another
            store's ledger counts from 1 too.
        run: False asks for the end of everything.
        argv, variables: the model server's command line and its declared environment variables.
        port: None for a free one, kept from then on.
        revision_json: the revision, for the runtime to read.
        keep: folders of fetched files that this revision uses; others may be removed.
    """

    token: str
    run: bool
    revision: int
    host: str = "127.0.0.1"
    port: int | None = None
    argv: tuple[str, ...] = ()
    variables: Mapping[str, str] | None = None
    revision_json: str = ""
    keep: tuple[str, ...] = ()
    identity: str = ""


@dataclass(frozen=True)
class ServerStatus:
    """One model server process; `born` (seconds since boot) tells it from a later one with the same id."""

    revision: int
    pid: int
    born: float
    identity: str = ""


@dataclass(frozen=True)
class SupervisorStatus:
    """How things stand, as the supervisor last saw them.

    Attributes:
        token: the `Wanted.token` that this answers; another one has not been looked at yet.
        serving: the process that answers; coming: the one that is starting; leaving: those that finish their work.
        stage: how far `coming` is, a `moorage.startup.Stage`.
        failure: why the wanted revision does not serve.
        crash: how the server that served has ended, while it is being started again.
        restarts: how often the serving revision had to be started again.
    """

    pid: int
    token: str
    host: str
    port: int
    serving: ServerStatus | None = None
    coming: ServerStatus | None = None
    leaving: tuple[ServerStatus, ...] = ()
    stage: str = ""
    failure: StartupFailure | None = None
    crash: str = ""
    restarts: int = 0

    @property
    def servers(self) -> tuple[ServerStatus, ...]:
        """Every model server process that there was."""
        return tuple(server for server in (self.serving, self.coming, *self.leaving) if server is not None)


@dataclass(frozen=True)
class DeploymentFolder:
    """Paths and records of one deployment below a user's home for Moorage (mode 0700)."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def files(self) -> Path:
        """Verified copies of model files and artifact files, one folder for each digest."""
        return self.root / "files"

    @property
    def starts(self) -> Path:
        return self.root / "starts"

    def start_folder(self, revision: int, token: str) -> Path:
        """What one wish's model servers read and report; of another wish for the same revision it is another folder."""
        return self.starts / f"{revision}-{token}"

    def revision_file(self, revision: int, token: str) -> Path:
        return self.start_folder(revision, token) / "revision.json"

    def report_file(self, revision: int, token: str) -> Path:
        return self.start_folder(revision, token) / "report.json"

    def log_file(self, revision: int) -> Path:
        return self.logs / f"revision-{revision}.log"

    def read_wanted(self) -> Wanted | None:
        return _parsed(self.root / "wanted.json", _wanted)

    def write_wanted(self, wanted: Wanted) -> None:
        write_atomically(self.root / "wanted.json", json.dumps(asdict(wanted)))

    def read_served(self) -> Wanted | None:
        """What took over last: the supervisor falls back to it when something newer fails."""
        return _parsed(self.root / "served.json", _wanted)

    def write_served(self, wanted: Wanted) -> None:
        write_atomically(self.root / "served.json", json.dumps(asdict(wanted)))

    def wanted_stamp(self) -> Stamp | None:
        """Changes whenever `write_wanted` was called: cheap to look at ten times a second."""
        return _stamp(self.root / "wanted.json")

    def status_stamp(self) -> Stamp | None:
        """Changes whenever somebody wrote the status."""
        return _stamp(self.root / "status.json")

    def read_status(self) -> SupervisorStatus | None:
        return _parsed(self.root / "status.json", _status)

    def write_status(self, status: SupervisorStatus) -> None:
        write_atomically(self.root / "status.json", json.dumps(asdict(status)))

    def take_seat(self, patience_s: float = 0.5) -> TextIO | None:
        """The supervisor's seat, or None when it is taken. Held as long as the file stays open, whoever dies.

        Args:
            patience_s: how long to try. Whoever looks whether the seat is taken leans on it for a moment.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        deadline = time.monotonic() + patience_s
        while (seat := self._lock(fcntl.LOCK_EX)) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return seat

    def is_supervised(self) -> bool:
        """Whether a supervisor lives; no process id that somebody else may have been given meanwhile decides this."""
        if not (self.root / "supervisor.lock").exists():
            return False
        # shared: any number may look at once without taking each other for the supervisor
        glance = self._lock(fcntl.LOCK_SH)
        if glance is None:
            return True
        glance.close()
        return False

    def remove(self) -> None:
        """Removes the folder with all that is in it; one that is gone is fine."""
        shutil.rmtree(self.root, ignore_errors=True)

    def owns(self, seat: TextIO) -> bool:
        """Whether the seat is still the folder's own: somebody may have removed the folder under it."""
        try:
            return os.fstat(seat.fileno()).st_ino == (self.root / "supervisor.lock").stat().st_ino
        except FileNotFoundError:
            return False

    def _lock(self, kind: int) -> TextIO | None:
        # to look takes no more than reading: a home that is mounted read-only can still be looked at
        path = self.root / "supervisor.lock"
        open_seat = path.open if kind == fcntl.LOCK_SH else functools.partial(path.open, "a")
        seat: TextIO = open_seat(encoding="utf-8")
        try:
            fcntl.flock(seat, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            seat.close()
            return None
        return seat


def write_atomically(path: Path, text: str) -> None:
    """Replaces the file's content; a reader sees the old text or the new one, and nobody else can read either."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stage = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(stage, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            stage.unlink()


def _parsed(path: Path, parse: Callable[[dict[str, Any]], T]) -> T | None:
    """What the file holds; None when it is not there, or was spoilt by somebody: we write it whole or not at all."""
    try:
        return parse(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        log.warning("%s cannot be read and is passed over: %s", path, exc)
        return None


def _wanted(plain: dict[str, Any]) -> Wanted:
    return Wanted(**{**plain, "argv": tuple(plain["argv"]), "keep": tuple(plain["keep"])})


def _status(plain: dict[str, Any]) -> SupervisorStatus:
    servers = {name: ServerStatus(**plain[name]) if plain[name] else None for name in ("serving", "coming")}
    leaving = tuple(ServerStatus(**server) for server in plain["leaving"])
    failure = StartupFailure.from_dict(plain["failure"]) if plain["failure"] else None
    return SupervisorStatus(**{**plain, **servers, "leaving": leaving, "failure": failure})


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns
