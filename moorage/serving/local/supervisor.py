"""One process for each started model deployment: owns the listening socket and keeps a model server behind it.

`python -m moorage.serving.local.supervisor FOLDER` takes the folder's seat, leaves its parent, and then does what
`wanted.json` says until that says stop. It needs neither Prefect nor kserve and imports neither.

A new revision starts beside the old one and shares its socket. Only when it reports READY, after its smoke requests
were answered, does the old one stop accepting; both hold the same socket, so no connection falls between them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, TextIO

from moorage.serving.local.folder import DeploymentFolder, SupervisorStatus, Wanted
from moorage.serving.local.housekeeping import keep_house
from moorage.serving.local.patience import Patience
from moorage.serving.local.process import (
    AdoptedServer,
    Listener,
    Orphan,
    Process,
    Server,
    StartedServer,
    ended_how,
    failure_of,
    is_alive,
    send_to_group,
    stage_of,
    start_failure,
    strays,
)
from moorage.startup import Stage, StartupFailure

log = logging.getLogger("moorage.supervisor")

TICK_S: Final = 0.1
# What an old server gets to stop accepting. Only one that hangs needs longer, and it accepts nothing either.
HAND_OVER_S: Final = 5
# Longer than the runtime's own drain, which ends by itself: this is for one that hangs.
LEAVE_S: Final = 40
# What processes that a script started get to end after their model server has.
GROUP_S: Final = 3
_TICKS_BETWEEN_CHORES: Final = 50


class Supervisor:
    """The state of one deployment's processes; `tick` moves it on by one step and never waits."""

    def __init__(
        self,
        folder: DeploymentFolder,
        seat: TextIO,
        environ: Mapping[str, str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._seat = seat
        self._environ = dict(environ)
        self._now = now
        self._wanted: Wanted | None = None
        self._stamp: tuple[int, int] | None = None
        self._patience = Patience()
        self._served = folder.read_served()
        self._serving: Server | None = None
        self._serving_since = 0.0
        self._crash = ""
        self._restarts = 0
        self._coming: Server | None = None
        self._handing_over_since: float | None = None
        self._leaving: list[tuple[Process, float]] = []
        self._groups: list[tuple[int, float]] = []
        self._listener: Listener | None = None
        self._remembered_port: int | None = None
        self._written: tuple[SupervisorStatus, tuple[int, int] | None] | None = None
        self._ticks = 0
        self._ending = False
        self._adopt()

    def run(self) -> None:
        """Ticks until everything has stopped as it was asked to."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: setattr(self, "_ending", True))
        while not self.tick():
            time.sleep(TICK_S)

    def tick(self) -> bool:
        """One look at what is wanted and what is there, and the next step. True: all has stopped, nothing is left."""
        if not self._folder.owns(self._seat):
            # Somebody removed the folder: whoever starts the deployment again takes a seat of its own.
            self._ending = True
        self._read_wanted()
        self._reap()
        if self._ending or self._wanted is None or not self._wanted.run:
            stopped = self._end_all()
        else:
            stopped = False
            self._take_over_when_ready()
            self._start_what_is_missing()
        if self._folder.owns(self._seat):
            self._keep_records()
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
            self._patience = Patience()
        self._wanted, self._stamp = wanted, stamp

    def _reap(self) -> None:
        self._leaving = [(process, since) for process, since in self._leaving if not self._has_left(process, since)]
        self._groups = [(group, since) for group, since in self._groups if not self._is_empty(group, since)]
        if self._serving and (code := self._serving.exit_code()) is not None and self._handing_over_since is None:
            self._serving_ended(self._serving, code)
        if self._coming and (code := self._coming.exit_code()) is not None:
            self._coming_ended(self._coming, code)

    def _has_left(self, process: Process, since: float) -> bool:
        if process.exit_code() is not None:
            self._end_group(process)
            return True
        if self._now() - since > LEAVE_S:
            log.warning("revision %d did not finish in %d s: killed", process.status.revision, LEAVE_S)
            process.send(signal.SIGKILL)
        return False

    def _end_group(self, process: Process) -> None:
        """Whatever the user's script has started must not outlive its server, least of all with the socket in hand."""
        if send_to_group(process.status.pid, signal.SIGTERM):
            self._groups.append((process.status.pid, self._now()))

    def _is_empty(self, group: int, since: float) -> bool:
        insist = self._now() - since > GROUP_S
        return not send_to_group(group, signal.SIGKILL if insist else 0)

    def _serving_ended(self, server: Server, code: int) -> None:
        self._serving = None
        self._crash = f"its model server ended {ended_how(code)}"
        self._patience.server_ended(self._now(), served_s=self._now() - self._serving_since)
        self._end_group(server)
        # From here on connections wait in the backlog for the next server, instead of being refused.
        with contextlib.suppress(OSError):
            server.listener.sock.listen()
        log.warning("revision %d ended %s while it was serving", server.wanted.revision, ended_how(code))

    def _coming_ended(self, server: Server, code: int) -> None:
        self._coming = None
        self._end_group(server)
        if self._handing_over_since is not None and self._serving is not None:
            # It died with the hand in its own: the old one has stopped accepting, so somebody has to be started.
            self._leaving.append((self._serving, self._now()))
            self._serving = self._handing_over_since = None
        self._start_failed(server.wanted, failure_of(server, self._folder, code))

    def _start_failed(self, target: Wanted, failure: StartupFailure) -> None:
        log.warning("revision %d did not start: %s", target.revision, failure.message)
        served_before = self._served is not None and self._served.identity == target.identity
        self._patience.start_failed(failure, self._now(), served_before=served_before)

    def _target(self) -> Wanted | None:
        """What should serve: what is wanted, or what served last once that has proven hopeless."""
        return self._served if self._patience.gave_up else self._wanted

    def _take_over_when_ready(self) -> None:
        coming = self._coming
        if coming is None or stage_of(coming, self._folder) is not Stage.READY:
            return
        if self._serving is not None and self._handing_over_since is None:
            self._serving.send(signal.SIGTERM)
            self._handing_over_since = self._now()
        if self._old_one_accepts():
            return
        same = self._served is not None and self._served.identity == coming.wanted.identity
        self._restarts = self._restarts + bool(self._crash) if same else 0
        if self._serving is not None:
            self._leaving.append((self._serving, self._now()))
        self._handing_over_since = None
        if self._listener is not None and self._listener is not coming.listener:
            self._listener.sock.close()
        self._serving, self._coming, self._listener = coming, None, coming.listener
        self._serving_since, self._served, self._crash = self._now(), coming.wanted, ""
        if not self._patience.gave_up:
            self._patience.failure = None
        with _disk_permitting():
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
        if self._serving is not None and self._serving.wanted.identity == target.identity:
            self._drop_coming()
            return
        if self._coming is not None:
            if self._coming.wanted.identity == target.identity:
                return
            self._drop_coming()
        if self._now() >= self._patience.not_before:
            self._start(target)

    def _start(self, target: Wanted) -> None:
        try:
            listener = self._listener_for(target)
            self._coming = StartedServer(target, self._folder, listener, self._environ)
        except OSError as exc:
            self._start_failed(target, start_failure(target, exc))
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
        if self._leaving or self._groups:
            return False
        if self._listener is not None:
            self._remembered_port = self._listener.port
            self._listener.sock.close()
        self._listener = None
        if self._folder.owns(self._seat):
            for left_over in (self._folder.files, self._folder.starts):
                shutil.rmtree(left_over, ignore_errors=True)
        log.info("stopped")
        return True

    def _adopt(self) -> None:
        """Takes over what a supervisor that was killed has left: a server that still answers goes on answering."""
        status = self._folder.read_status()
        if status is not None:
            self._adopt_serving(status)
        for stray in strays(self._folder):
            if self._serving is None or stray.pid != self._serving.status.pid:
                self._leave(Orphan(stray))

    def _adopt_serving(self, status: SupervisorStatus) -> None:
        self._remembered_port = status.port or None
        alive = [server for server in status.servers if is_alive(server)]
        served = self._served
        if served is not None and status.serving in alive and status.serving.identity == served.identity:
            with contextlib.suppress(OSError):
                self._listener = Listener.share(status.host, status.port)
                self._serving = AdoptedServer(served, self._listener, status.serving)
                self._serving_since, self._restarts = self._now(), status.restarts
                log.info("revision %d is adopted as process %d", served.revision, status.serving.pid)

    def _keep_records(self) -> None:
        self._ticks += 1
        with _disk_permitting():
            if self._ticks % _TICKS_BETWEEN_CHORES == 0:
                used = [wanted for wanted in (self._wanted, self._served) if wanted is not None]
                keep_house(self._folder, used, is_settled=self._coming is None and not self._leaving)
            self._write_status()

    def _write_status(self) -> None:
        listener, wanted = self._listener, self._wanted
        stage = stage_of(self._coming, self._folder) if self._coming else None
        status = SupervisorStatus(
            pid=os.getpid(),
            token=wanted.token if wanted else "",
            host=listener.host if listener else wanted.host if wanted else "",
            port=listener.port if listener else self._remembered_port or 0,
            serving=self._serving.status if self._serving else None,
            coming=self._coming.status if self._coming else None,
            leaving=tuple(process.status for process, _ in self._leaving),
            stage=stage.value if stage else "",
            failure=self._patience.failure,
            crash=self._crash,
            restarts=self._restarts,
        )
        # also when somebody else spoilt or removed the file
        if (status, self._folder.status_stamp()) != self._written:
            self._folder.write_status(status)
            self._written = status, self._folder.status_stamp()


@contextlib.contextmanager
def _disk_permitting() -> Iterator[None]:
    """A full disk must not end the supervisor: what it could not write, it writes when there is room again."""
    try:
        yield
    except OSError as exc:
        log.warning("a record could not be written: %s", exc)


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
    logging.raiseExceptions = False  # a log that cannot be written must not fill the disk with complaints about that
    handler = RotatingFileHandler(folder / "supervisor.log", maxBytes=1024 * 1024, backupCount=1)
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(message)s")
    try:
        while seat is not None:
            supervisor = Supervisor(place, seat, os.environ)
            supervisor.run()
            seat.close()
            # Whoever wanted a start while we were on our way out saw the seat taken and left it to us.
            seat = place.take_seat() if supervisor.is_wanted_again() else None
    except Exception:
        log.exception("the supervisor broke")
        raise


if __name__ == "__main__":
    main(Path(sys.argv[1]))
