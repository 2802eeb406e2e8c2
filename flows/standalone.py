"""What a flow needs when a person runs it in a terminal: import this before anything of Prefect's.

An `Interruption` makes one thing of all the ways in which terminals and people end a process.

Without a Prefect server at PREFECT_API_URL, Prefect starts an ephemeral one as a child of this process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Final, Self

from moorage.errors import PlatformError

# Prefect reads these when it is imported. The first start of an ephemeral server takes half a minute on a slow machine,
# and `narration` tells what Prefect's log would.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
os.environ.setdefault("DO_NOT_TRACK", "1")

# Ctrl-C, `kill`, and the end of the terminal.
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Inside its `with`, every signal that ends a process raises KeyboardInterrupt; after it, none is heeded any more.

    A signal that whoever started the process had ignored, as `nohup` does, stays ignored.

    Attributes:
        signal: the one that came, or None.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._heeded = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
        self._terminals = [stream for stream in (1, 2) if os.isatty(stream)]

    @property
    def exit_code(self) -> int:
        """As shells have it: 130 after Ctrl-C."""
        return 128 + (self.signal or signal.SIGINT)

    def __enter__(self) -> Self:
        for number in self._heeded:
            signal.signal(number, self._came)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Prefect waits for its server at the interpreter's exit; a fourth Ctrl-C is not to be told there
        for number in self._heeded:
            signal.signal(number, signal.SIG_IGN)

    def _came(self, number: int, _: FrameType | None) -> None:
        again, self.signal = self.signal is not None, self.signal or signal.Signals(number)
        if number == signal.SIGHUP:
            self._leave_terminals()
        # What is taken back must not be cut off by an impatient second Ctrl-C, or by the shell that passes on the
        # SIGHUP which the terminal sent already. SIGTERM, by which Prefect repeats its own, always ends it.
        if number == signal.SIGTERM or not again:
            raise KeyboardInterrupt

    def _leave_terminals(self) -> None:
        """A terminal that is gone refuses every write; telling about it must not end the taking back."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in self._terminals:
            os.dup2(nowhere, stream)
        os.close(nowhere)


@contextmanager
def postponed() -> Iterator[None]:
    """What would end this process waits until the block is left; a child started inside ignores terminals' signals.

    The mask is for the child, which inherits it. Here it does not suffice: other threads take the signal. SIGTERM is
    not in it, for by that the child is stopped. Imports need such a block too: Python ends in a signal of its own where
    KeyboardInterrupt crosses an `exec`, as dataclasses have.
    """
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda number, _: came.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGHUP})
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def connect_to_prefect() -> None:
    """Makes sure that a Prefect server answers; an ephemeral one lives as long as this process.

    A terminal sends Ctrl-C, and its own end, to every process in the foreground. The ephemeral server must outlive it:
    what the flow does about an interruption is recorded there. An interruption meanwhile takes effect afterwards, when
    the server is sure to be stopped at this process's exit.

    Raises:
        PlatformError: the server at PREFECT_API_URL does not answer, or none could be started.
    """
    try:
        with postponed():
            _ask_for_version()
    except RuntimeError as exc:
        raise PlatformError(
            f"Prefect's server does not answer: {exc}.",
            mend="Start the one at PREFECT_API_URL, or unset that and an ephemeral one is used.",
        ) from exc


def _ask_for_version() -> None:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.raise_for_api_version_mismatch()
