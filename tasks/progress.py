"""How far a transfer has come, as a Prefect progress artifact."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Final, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import get_run_context
from prefect.exceptions import MissingContextError

from moorage.report import size_in_words
from moorage.store.progress import Counted, Progress

log = logging.getLogger(__name__)

EVERY_S: Final = 2.0
# How long the end of a transfer waits for a Prefect server that does not answer.
PATIENCE_S: Final = 10.0


@contextmanager
def progress(key: str, what: str, *, every_s: float = EVERY_S) -> Iterator[Progress]:
    """Gives a progress for a transfer.

    It only takes note, so any number of threads may tell it of every chunk. Another thread shows the newest in an
    artifact of the run, at most once in `every_s` seconds, and once more at the end. Where there is no run, or Prefect
    does not take it, nothing is shown, and that is all.

    Args:
        key: names the artifact; Prefect keeps those of earlier runs under the same key as its history.
        what: what is transferred, for people.
    """
    shown = _ShownProgress(key, what)
    if not _in_a_run():
        log.debug("%s: there is no run to show progress in", what)
        yield Counted(shown.report)
        return
    over = threading.Event()

    def show_now_and_then() -> None:
        while not over.wait(every_s):
            shown.show()

    # The run is a matter of context, which a thread does not inherit.
    thread = threading.Thread(target=copy_context().run, args=(show_now_and_then,), name=f"progress {key}", daemon=True)
    thread.start()
    done = False
    try:
        yield Counted(shown.report)
        done = True
    finally:
        over.set()
        thread.join(PATIENCE_S)
        if thread.is_alive():
            log.debug("%s: Prefect does not answer, so the end is not shown", what)
        else:
            shown.show(is_all=done)


class _ShownProgress:
    """What was reported last, and the artifact that shows it; made when there is something to show."""

    def __init__(self, key: str, what: str) -> None:
        self._key = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")
        self._what = what
        self._lock = threading.Lock()
        self._newest: tuple[int, int | None] | None = None
        self._shown: tuple[float, str] | None = None
        self._artifact: UUID | None = None
        self._has_failed = False

    def report(self, done_bytes: int, total_bytes: int | None) -> None:
        """Takes note; of reports that overtake each other, the one with the most bytes counts."""
        with self._lock:
            if self._newest is None or done_bytes >= self._newest[0]:
                self._newest = done_bytes, total_bytes

    def show(self, *, is_all: bool = False) -> None:
        """Brings the artifact up to date; `is_all`: the transfer ended well, however many bytes that were."""
        with self._lock:
            newest = self._newest
        if newest is None or self._has_failed:
            return
        show = percentage(*newest, is_all=is_all), f"{self._what}: {_in_words(*newest)}"
        if show == self._shown:
            return
        try:
            self._send(*show)
        except Exception as error:  # noqa: BLE001 -- whatever Prefect raises, the transfer goes on
            # Once is enough: a server that is away would be waited for again and again.
            self._has_failed = True
            log.debug("%s: progress is not shown any more: %s", self._what, error)
            return
        self._shown = show
        log.debug("%s", show[1])

    def _send(self, percent: float, description: str) -> None:
        if self._artifact is None:
            # A coroutine in an asynchronous run only, which no step is.
            self._artifact = cast("UUID", create_progress_artifact(percent, key=self._key, description=description))
        else:
            update_progress_artifact(self._artifact, percent, description=description)


def percentage(done_bytes: int, total_bytes: int | None, *, is_all: bool = False) -> float:
    """How much is done, from 0 to 100 (pure); of an unknown total nothing is, until it is all."""
    if total_bytes is None or total_bytes <= 0:
        return 100.0 if is_all or total_bytes is not None else 0.0
    return min(100.0, max(0.0, 100.0 * done_bytes / total_bytes))


def _in_words(done_bytes: int, total_bytes: int | None) -> str:
    of = "" if total_bytes is None else f" of {size_in_words(total_bytes)}"
    return f"{size_in_words(done_bytes)}{of}"


def _in_a_run() -> bool:
    try:
        get_run_context()
    except MissingContextError:
        return False
    return True
