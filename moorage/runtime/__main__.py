"""`python -m moorage.runtime`: fetches, loads and proves one revision, then serves it."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

from moorage.errors import MoorageError
from moorage.runtime.launch import Launch
from moorage.runtime.start import Start, fetch_files

_log = logging.getLogger("moorage.runtime")

# Seconds that threads of the user's own get to end after the last answer.
_LEAVE_S: Final = 5
# Libraries that tell of every request they make at INFO, the level at which users' own logs show.
_CHATTY: Final = ("botocore", "boto3", "httpx", "httpcore", "urllib3")


def main(fetch: Callable[[Launch], None] = fetch_files) -> int:
    """Serves until it is told to stop: 0 then, 1 when the start failed.

    Args:
        fetch: gets the files of a launch.
    """
    _set_up_output()
    try:
        launch = Launch.from_env(os.environ)
        listener = launch.listener()
    except MoorageError as exc:
        _log.error("%s", exc)
        return 1
    with contextlib.ExitStack() as at_end:
        code = Start(launch, fetch, at_end).run(listener)
        _leave_soon(code)
    return code


def _set_up_output() -> None:
    faulthandler.enable()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _leave_soon(code: int) -> None:
    """Threads that the user's script started must not keep a server alive that answers nothing any more."""
    timer = threading.Timer(_LEAVE_S, os._exit, (code,))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
