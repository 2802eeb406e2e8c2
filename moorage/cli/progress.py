"""What is seen on stderr while many bytes are read or sent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, SpinnerColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from moorage.cli.terminal import errors
from moorage.store.progress import UNWATCHED, Counted, Progress


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Shows what is going on, and a bar once it is known how many bytes there are to do; nothing stays of it.

    In a pipe or a file there is nothing to be seen.
    """
    if not errors.is_terminal:
        yield UNWATCHED
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    waiting = Bars(SpinnerColumn(), TextColumn("{task.description}"), console=errors, transient=True)
    moving = Bars(TextColumn("{task.description}"), *columns, console=errors, transient=True)
    with waiting:
        waiting.add_task(what, total=None)
        bar = moving.add_task(what, total=None)

        def show(done: int, total: int | None) -> None:
            if done == 0 and total:
                # One display at a time: the spinner makes way for the bar.
                waiting.stop()
                moving.start()
            moving.update(bar, completed=done, total=total)

        try:
            yield Counted(show)
        finally:
            moving.stop()
