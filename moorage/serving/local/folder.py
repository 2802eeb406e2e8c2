"""One model deployment's folder on this machine: what is wanted, how it stands, and who supervises it.

Backend and supervisor speak through files only. That survives the death of either, needs no port and no protocol, and
leaves something to read for whoever is woken at night.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True)
class Wanted:
    """What the backend asks of the supervisor.

    Attributes:
        token: new with every apply, so that asking again for what failed means trying again.
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


@dataclass(frozen=True)
class ServerStatus:
    """One model server process; `born` (seconds since boot) tells it from a later one with the same id."""

    revision: int
    pid: int
    born: float


@dataclass(frozen=True)
class SupervisorStatus:
    """How things stand, as the supervisor last saw them.

    Attributes:
        token: the `Wanted.token` that this answers; another one has not been looked at yet.
        serving: the process that answers; coming: the one that is starting; leaving: those that finish their work.
        stage: how far `coming` is, a `moorage.startup.Stage`.
        failure: why the wanted revision does not serve: a `StartupFailure` as plain values, and `evidence`.
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
    failure: Mapping[str, Any] | None = None
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

    def revision_file(self, revision: int) -> Path:
        return self.root / "starts" / str(revision) / "revision.json"

    def report_file(self, revision: int) -> Path:
        return self.root / "starts" / str(revision) / "report.json"

    def log_file(self, revision: int) -> Path:
        return self.logs / f"revision-{revision}.log"

    def read_wanted(self) -> Wanted | None:
        return _wanted(_read(self.root / "wanted.json"))

    def write_wanted(self, wanted: Wanted) -> None:
        write_atomically(self.root / "wanted.json", json.dumps(asdict(wanted)))

    def read_served(self) -> Wanted | None:
        """What took over last: the supervisor falls back to it when something newer fails."""
        return _wanted(_read(self.root / "served.json"))

    def write_served(self, wanted: Wanted) -> None:
        write_atomically(self.root / "served.json", json.dumps(asdict(wanted)))

    def wanted_stamp(self) -> tuple[int, int] | None:
        """Changes whenever `write_wanted` was called: cheap to look at ten times a second."""
        try:
            stat = os.stat(self.root / "wanted.json")
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_mtime_ns

    def read_status(self) -> SupervisorStatus | None:
        plain = _read(self.root / "status.json")
        if plain is None:
            return None
        servers = {name: ServerStatus(**plain[name]) if plain[name] else None for name in ("serving", "coming")}
        leaving = tuple(ServerStatus(**server) for server in plain["leaving"])
        return SupervisorStatus(**{**plain, **servers, "leaving": leaving})

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

    def _lock(self, kind: int) -> TextIO | None:
        seat = open(self.root / "supervisor.lock", "a", encoding="utf-8")  # noqa: SIM115 -- open means held
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


def _wanted(plain: dict[str, Any] | None) -> Wanted | None:
    if plain is None:
        return None
    return Wanted(**{**plain, "argv": tuple(plain["argv"]), "keep": tuple(plain["keep"])})


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):  # ValueError: spoilt by something else than us, we write atomically
        return None
