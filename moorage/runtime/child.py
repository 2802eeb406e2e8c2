"""The process of a model server that is not ours: started on a port of this machine's own, watched, and ended."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final

import httpx
import psutil

from moorage.environment import RESERVED_PREFIX
from moorage.errors import ServerEnded
from moorage.runtime.commands import ServerCommand
from moorage.startup import Cause

_log = logging.getLogger(__name__)

_LOOK_S: Final = 0.2
_ANSWER_S: Final = 5
# What it gets to finish in once it was told to stop, for all is answered by then; what its last words get to arrive in.
_END_S: Final = 10
_LAST_WORDS_S: Final = 1
_KEPT_LINES: Final = 200
_TOLD_LINES: Final = 12
# The last line of a traceback, whatever a logger writes before it.
_EXCEPTION: Final = re.compile(r"(?:^|\s)((?:\w+\.)*(?:\w+Error|\w*Exception): .*\S)")
_PYDANTIC: Final = re.compile(r"\d+ validation errors? for \w+$")
_OUT_OF_MEMORY: Final = re.compile(r"out of memory|No available memory for the cache blocks", re.IGNORECASE)


class ChildServer:
    """One such process, in our own process group; what it writes goes to our own log.

    Args:
        command: what to run; `port` is where it was told to listen.
        folder: where it runs, so that its configuration can name files beside it.
        on_end: called in another thread when it ends by itself after it was ready.
    """

    def __init__(
        self, command: ServerCommand, port: int, folder: Path, on_end: Callable[[ServerEnded], object]
    ) -> None:
        self.name = command.name
        self.url = f"http://127.0.0.1:{port}"
        self._command = command
        self._folder = folder
        self._on_end = on_end
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._stopping = False
        self._process: subprocess.Popen[str] | None = None
        self._listening: threading.Thread | None = None

    def start(self) -> None:
        """Starts it and returns once it says that it is ready.

        Raises:
            ServerEnded: it ended instead, or there is no such program.
        """
        program = _found(self._command.argv[0])
        if program is None:
            raise ServerEnded(
                f"There is no program {self._command.argv[0]!r} to start {self.name} with.",
                "Expected it in the deployment's environment, or on PATH.",
                "Install it there, or name an environment that has it.",
                cause=Cause.ENVIRONMENT_BROKEN,
            )
        self._process = process = subprocess.Popen(
            (program, *self._command.argv[1:]),
            env={**self._command.environ, **_without_ours(os.environ)},
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        self._listening = threading.Thread(target=self._listen, args=(process.stdout,), daemon=True)
        self._listening.start()
        with httpx.Client(base_url=self.url, timeout=_ANSWER_S, trust_env=False) as http:
            while not self._is_ready(http):
                if process.poll() is not None:
                    raise self._ended(process.returncode)
                time.sleep(_LOOK_S)
        threading.Thread(target=self._watch, args=(process,), daemon=True).start()

    def end_within(self, wait_s: float) -> ServerEnded | None:
        """How it ended, if it does within that time; None while it lives."""
        process = self._process
        if process is None:
            return None
        try:
            return self._ended(process.wait(wait_s))
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Ends it, with all of its processes; nothing happens where it has ended, or was never started."""
        self._stopping = True
        process = self._process
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            process.kill()
            for each in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait()

    def _is_ready(self, http: httpx.Client) -> bool:
        with contextlib.suppress(httpx.HTTPError, ValueError, AttributeError):
            answer = http.get(self._command.ready_path)
            return answer.is_success and self._command.is_ready(answer.json() if answer.content else None)
        return False

    def _listen(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.append(line.rstrip())
            sys.stderr.write(line)

    def _watch(self, process: subprocess.Popen[str]) -> None:
        code = process.wait()
        if not self._stopping:
            self._on_end(self._ended(code))

    def _ended(self, code: int) -> ServerEnded:
        if self._listening is not None:
            self._listening.join(_LAST_WORDS_S)
        lines = [line for line in self._lines if line.strip()]
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        told = telling_line(lines)
        what = f"{self.name} ended {how}{f': {told}' if told else ''}"
        last = lines[-_TOLD_LINES:]
        if _OUT_OF_MEMORY.search("\n".join(lines)):
            return ServerEnded(
                f"{what.rstrip('.')}.",
                "Expected the model, and what it answers from, to fit in memory.",
                "Give it more, a smaller model, or less to hold at once.",
                cause=Cause.OUT_OF_MEMORY,
                lines=last,
            )
        mend = "Read its log: `moorage deployment logs`."
        return ServerEnded(f"{what.rstrip('.')}.", "", mend, cause=Cause.CRASHED, lines=last)


def telling_line(lines: Sequence[str]) -> str:
    """The line that says best why a program ended: its first exception, for others follow from it; else its last."""
    for line, following in pairwise((*lines, "")):
        if match := _EXCEPTION.search(line):
            # pydantic's tells where, and what, only afterwards
            more = following.partition(" [type=")[0].strip() if _PYDANTIC.search(line) else ""
            return f"{match.group(1)}: {more}" if more else match.group(1)
    return lines[-1].strip() if lines else ""


def free_port() -> int:
    """A port of this machine's own that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _found(program: str) -> str | None:
    beside = str(Path(sys.executable).parent)
    return shutil.which(program, path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))


def _without_ours(environ: Mapping[str, str]) -> dict[str, Any]:
    return {name: value for name, value in environ.items() if not name.startswith(RESERVED_PREFIX)}
