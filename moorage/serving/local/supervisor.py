"""One process for each started model deployment: owns the listening socket and keeps a model server behind it.

`python -m moorage.serving.local.supervisor FOLDER` takes the folder's seat, leaves its parent, and then does what
`wanted.json` says until that says stop. It needs neither Prefect nor kserve and imports neither.

A new revision starts beside the old one and shares its socket. Only when it reports READY, after its smoke requests
were answered, does the old one stop accepting; both hold the same socket, so no connection falls between them.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from moorage.serving.local.folder import DeploymentFolder, SupervisorStatus, Wanted
from moorage.serving.local.process import (
    AdoptedServer,
    Listener,
    Orphan,
    Process,
    Server,
    StartedServer,
    failure_of,
    is_alive,
    rotate_log,
    stage_of,
)
from moorage.startup import Cause, Stage

log = logging.getLogger("moorage.supervisor")

TICK_S: Final = 0.1
# A server that has answered this long counts as well: its next crash starts the back-off anew.
HEALTHY_S: Final = 60
MAX_DELAY_S: Final = 30
# How often a revision that never served is tried when it ends without giving a reason (killed, crashed in C code).
ATTEMPTS: Final = 3
# What an old server gets to stop accepting. Only one that hangs needs longer, and it accepts nothing either.
HAND_OVER_S: Final = 5
# Longer than the runtime's own drain, which ends by itself: this is for one that hangs.
LEAVE_S: Final = 40
KEPT_LOGS: Final = 10
MAX_LOG_BYTES: Final = 10 * 1024 * 1024
_TICKS_BETWEEN_CHORES: Final = 50
_WORTH_A_RETRY: Final = frozenset({Cause.STORE_UNAVAILABLE, Cause.CRASHED, Cause.KILLED})


class Supervisor:
    """The state of one deployment's processes; `tick` moves it on by one step and never waits."""

    def __init__(
        self, folder: DeploymentFolder, environ: Mapping[str, str], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._environ = dict(environ)
        self._now = now
        self._wanted: Wanted | None = None
        self._stamp: tuple[int, int] | None = None
        self._served = folder.read_served()
        self._serving: Server | None = None
        self._coming: Server | None = None
        self._handing_over_since: float | None = None
        self._leaving: list[tuple[Process, float]] = []
        self._listener: Listener | None = None
        self._failure: dict[str, object] | None = None
        self._gave_up = False
        self._attempts = 0
        self._not_before = 0.0
        self._serving_since = 0.0
        self._restarts = 0
        self._written: SupervisorStatus | None = None
        self._ticks = 0
        self._ending = False
        self._remembered_port: int | None = None
        self._adopt()

    def run(self) -> None:
        """Ticks until everything has stopped as it was asked to."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: setattr(self, "_ending", True))
        while not self.tick():
            time.sleep(TICK_S)

    def tick(self) -> bool:
        """One look at what is wanted and what is there, and the next step. True: all has stopped, nothing is left."""
        self._read_wanted()
        self._reap()
        if self._ending or self._wanted is None or not self._wanted.run:
            stopped = self._end_all()
        else:
            stopped = False
            self._take_over_when_ready()
            self._start_what_is_missing()
        self._do_chores()
        self._write_status()
        return stopped

    def is_wanted_again(self) -> bool:
        """Whether something was asked for after all had stopped."""
        return not self._ending and self._folder.wanted_stamp() != self._stamp

    def _read_wanted(self) -> None:
        stamp = self._folder.wanted_stamp()
        if stamp == self._stamp:
            return
        wanted = self._folder.read_wanted()
        if wanted is None and self._wanted is not None:
            return  # somebody removed or spoilt the file: what serves goes on serving
        if wanted is not None and (self._wanted is None or wanted.token != self._wanted.token):
            log.info("revision %d is wanted%s", wanted.revision, "" if wanted.run else " to stop")
            self._failure, self._gave_up, self._attempts, self._not_before = None, False, 0, 0.0
        self._wanted, self._stamp = wanted, stamp

    def _reap(self) -> None:
        self._leaving = [(server, since) for server, since in self._leaving if not self._has_left(server, since)]
        if self._serving and (code := self._serving.exit_code()) is not None and self._handing_over_since is None:
            self._serving_ended(self._serving, code)
        if self._coming and (code := self._coming.exit_code()) is not None:
            self._coming_ended(self._coming, code)

    def _has_left(self, process: Process, since: float) -> bool:
        if process.exit_code() is not None:
            return True
        if self._now() - since > LEAVE_S:
            log.warning("revision %d did not finish in %d s: killed", process.status.revision, LEAVE_S)
            process.send(signal.SIGKILL)
        return False

    def _serving_ended(self, server: Server, code: int) -> None:
        self._serving = None
        if self._now() - self._serving_since > HEALTHY_S:
            self._attempts = 0
        self._back_off()
        # From here on connections wait in the backlog for the next server, instead of being refused.
        with contextlib.suppress(OSError):
            server.listener.sock.listen()
        log.warning("revision %d ended with %d while it was serving; starting it again", server.wanted.revision, code)

    def _coming_ended(self, server: Server, code: int) -> None:
        self._coming = None
        if self._handing_over_since is not None and self._serving is not None:
            # It died with the hand in its own: the old one has stopped accepting, so somebody has to be started.
            self._leaving.append((self._serving, self._now()))
            self._serving = self._handing_over_since = None
        failure = failure_of(server, self._folder, code)
        log.warning("revision %d did not start: %s", server.wanted.revision, failure["message"])
        self._attempts += 1
        served_before = self._served is not None and self._served.revision == server.wanted.revision
        if served_before or (Cause(str(failure["cause"])) in _WORTH_A_RETRY and self._attempts < ATTEMPTS):
            self._failure = failure if served_before else None
            self._attempts -= 1
            self._back_off()
        else:
            self._give_up(failure)

    def _give_up(self, failure: dict[str, object]) -> None:
        self._failure, self._gave_up = failure, True

    def _back_off(self) -> None:
        self._not_before = self._now() + restart_delay(self._attempts)
        self._attempts += 1

    def _target(self) -> Wanted | None:
        """What should serve: what is wanted, or what served last once that has proven hopeless."""
        return self._served if self._gave_up else self._wanted

    def _take_over_when_ready(self) -> None:
        coming = self._coming
        if coming is None or stage_of(coming, self._folder) is not Stage.READY:
            return
        if self._serving is not None and self._handing_over_since is None:
            self._serving.send(signal.SIGTERM)
            self._handing_over_since = self._now()
        if self._old_one_accepts():
            return
        if self._served is not None and self._served.revision == coming.wanted.revision:
            self._restarts += self._serving is None
        else:
            self._restarts = 0
        if self._serving is not None:
            self._leaving.append((self._serving, self._now()))
        self._handing_over_since = None
        if self._listener is not None and self._listener is not coming.listener:
            self._listener.sock.close()
        self._serving, self._coming, self._listener = coming, None, coming.listener
        self._serving_since, self._served = self._now(), coming.wanted
        if not self._gave_up:
            self._failure = None
        self._folder.write_served(coming.wanted)
        log.info("revision %d serves at %s:%d", coming.wanted.revision, self._listener.host, self._listener.port)

    def _old_one_accepts(self) -> bool:
        """Whether a new connection may still reach the old server: then the new one does not count as serving yet."""
        if self._serving is None or self._handing_over_since is None or self._serving.exit_code() is not None:
            return False
        if self._now() - self._handing_over_since > HAND_OVER_S:
            return False
        return stage_of(self._serving, self._folder) is not Stage.DRAINING

    def _start_what_is_missing(self) -> None:
        target = self._target()
        if target is None:
            return
        if self._handing_over_since is not None:
            return
        if self._serving is not None and self._serving.wanted.revision == target.revision:
            self._drop_coming()
            return
        if self._coming is not None:
            if self._coming.wanted.revision == target.revision:
                return
            self._drop_coming()
        if self._now() >= self._not_before:
            self._start(target)

    def _start(self, target: Wanted) -> None:
        try:
            listener = self._listener_for(target)
            self._coming = StartedServer(target, self._folder, listener, self._environ)
        except OSError as exc:
            self._give_up(_start_failure(target, exc))
            log.warning("revision %d cannot be started: %s", target.revision, exc)
            return
        self._listener = self._listener or listener
        log.info("revision %d starts as process %d", target.revision, self._coming.status.pid)

    def _listener_for(self, target: Wanted) -> Listener:
        if self._listener is not None and self._listener.suits(target):
            return self._listener
        if target.port is None and self._remembered_port is not None:
            with contextlib.suppress(OSError):
                return Listener.bind(target.host, self._remembered_port)
        return Listener.bind(target.host, target.port)

    def _drop_coming(self) -> None:
        if self._coming is not None:
            log.info("revision %d is not wanted any more", self._coming.wanted.revision)
            self._leave(self._coming)
            self._coming = None

    def _leave(self, server: Process | None, how: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM lets a server hand over to its successor; SIGINT ends it, for nobody comes after."""
        if server is not None:
            server.send(how)
            self._leaving.append((server, self._now()))

    def _end_all(self) -> bool:
        self._leave(self._serving, signal.SIGINT)
        self._leave(self._coming)
        self._serving = self._coming = self._handing_over_since = None
        if self._leaving:
            return False
        if self._listener is not None:
            self._remembered_port = self._listener.port
            self._listener.sock.close()
        self._listener = None
        for left_over in (self._folder.files, self._folder.root / "starts"):
            shutil.rmtree(left_over, ignore_errors=True)
        log.info("stopped")
        return True

    def _adopt(self) -> None:
        """Takes over what a supervisor that was killed has left: a server that still answers goes on answering."""
        status = self._folder.read_status()
        if status is None:
            return
        self._remembered_port = status.port or None
        alive = [server for server in status.servers if is_alive(server)]
        served = self._served
        if served is not None and status.serving in alive and status.serving.revision == served.revision:
            with contextlib.suppress(OSError):
                self._listener = Listener.share(status.host, status.port)
                self._serving = AdoptedServer(served, self._listener, status.serving)
                self._serving_since, self._restarts = self._now(), status.restarts
                alive.remove(status.serving)
                log.info("revision %d is adopted as process %d", served.revision, status.serving.pid)
        for orphan in alive:
            self._leave(Orphan(orphan))

    def _do_chores(self) -> None:
        self._ticks += 1
        if self._ticks % _TICKS_BETWEEN_CHORES:
            return
        if self._serving is not None:
            rotate_log(self._folder.log_file(self._serving.wanted.revision), MAX_LOG_BYTES)
        if self._coming is None and not self._leaving:
            self._remove_old_files()

    def _remove_old_files(self) -> None:
        kept = {path for wanted in (self._wanted, self._served) if wanted for path in wanted.keep}
        for path in self._folder.files.glob("*/*"):
            if str(path) not in kept:
                shutil.rmtree(path, ignore_errors=True)
        numbers = {str(wanted.revision) for wanted in (self._wanted, self._served) if wanted}
        for path in (self._folder.root / "starts").glob("*"):
            if path.name not in numbers:
                shutil.rmtree(path, ignore_errors=True)
        logs = sorted(self._folder.logs.glob("*.log"), key=lambda path: path.stat().st_mtime)
        for path in logs[:-KEPT_LOGS]:
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".1").unlink(missing_ok=True)

    def _write_status(self) -> None:
        stage = stage_of(self._coming, self._folder) if self._coming else None
        listener = self._listener
        status = SupervisorStatus(
            pid=os.getpid(),
            token=self._wanted.token if self._wanted else "",
            host=listener.host if listener else self._wanted.host if self._wanted else "",
            port=listener.port if listener else self._remembered_port or 0,
            serving=self._serving.status if self._serving else None,
            coming=self._coming.status if self._coming else None,
            leaving=tuple(server.status for server, _ in self._leaving),
            stage=stage.value if stage else "",
            failure=self._failure,
            restarts=self._restarts,
        )
        if status != self._written:
            self._folder.write_status(status)
            self._written = status


def restart_delay(attempt: int) -> float:
    """Seconds before a crashed server is started again: half a second, doubled with each attempt, at most 30."""
    return float(min(MAX_DELAY_S, 0.5 * 2 ** min(attempt, 10)))


def main(folder: Path) -> None:
    """Takes the folder's seat and supervises in the background; returns at once when the seat is taken."""
    place = DeploymentFolder(folder)
    seat = place.take_seat()
    if seat is None:
        return
    # The parent returns to whoever started us. Nobody's child any more, we outlive it and leave it no zombie; the seat,
    # an open file, is ours from here on.
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir(folder)
    os.umask(0o077)
    handler = RotatingFileHandler(folder / "supervisor.log", maxBytes=1024 * 1024, backupCount=1)
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(message)s")
    try:
        while seat is not None:
            supervisor = Supervisor(place, os.environ)
            supervisor.run()
            seat.close()
            # Whoever wanted a start while we were on our way out saw the seat taken and left it to us.
            seat = place.take_seat() if supervisor.is_wanted_again() else None
    except Exception:
        log.exception("the supervisor broke")
        raise


def _start_failure(target: Wanted, exc: OSError) -> dict[str, object]:
    if exc.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
        taken = exc.errno == errno.EADDRINUSE
        return {
            "cause": Cause.PORT_IN_USE.value,
            "message": f"Port {target.port} on {target.host} is {'in use' if taken else 'not ours to listen on'}"
            f" ({exc.strerror}).",
            "expected": "A deployment listens on a port of its own.",
            "mend": "Set local.port to another one, or leave it out and a free one is chosen.",
        }
    cause = Cause.DISK_FULL if exc.errno in (errno.ENOSPC, errno.EDQUOT) else Cause.ENVIRONMENT_BROKEN
    return {
        "cause": cause.value,
        "message": f"The model server could not be started: {exc}.",
        "expected": f"{target.argv[0]} is a Python with Moorage's runtime in it.",
        "mend": "Free some space." if cause is Cause.DISK_FULL else "Mend the environment, or name another one.",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
