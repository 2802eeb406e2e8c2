"""A deploy as it is told on a terminal: each step as it happens, then what came of it."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.table import Table
from rich.text import Text

from moorage.cli import deployment_commands
from moorage.report import DeployReport, StepTiming, waterfall

LOGGERS = ("tasks", "flows", "moorage")


class Narration(logging.Handler):
    """Prints the steps from the records that tasks log; use it in a `with`, around a flow that runs in this process.

    Attributes:
        report: the report of the deploy that ended last; None before the first.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.report: DeployReport | None = None
        self._console = console
        self._status = console.status("")

    def say(self, what: str) -> None:
        """Shows what is going on right now, until something else is."""
        self._status.update(what)
        self._status.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Prints what a task's record tells; records of other kinds tell people nothing new."""
        if hasattr(record, "step_began"):
            self.say(record.step_began)
        elif hasattr(record, "stage"):
            self.say(f"wait for ready: {record.stage}")
        elif hasattr(record, "step_ended"):
            self._step(record.step_ended)
        elif hasattr(record, "report"):
            self.report = record.report
            self._status.stop()
            self._console.print(Text(record.report.headline, style="bold"))

    def __enter__(self) -> Self:
        for name in LOGGERS:
            logger = logging.getLogger(name)
            logger.addHandler(self)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._status.stop()
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(self)
            logging.getLogger(name).propagate = True

    def _step(self, step: StepTiming) -> None:
        mark = Text("✓", style="green") if step.ok else Text("✗", style="red")
        self._console.print(mark, Text(f"{step.name:<24}"), Text(f"{step.took_s:6.2f} s", style="dim"))


def show_waterfall(console: Console, report: DeployReport) -> None:
    """Where the seconds went."""
    table = Table.grid(padding=(0, 1))
    for name, bar, took in waterfall(report.steps, width=40):
        table.add_row(Text(name, style="dim"), Text(bar, style="cyan"), Text(took, style="dim"))
    console.print(table)


def show_verdict(console: Console, report: DeployReport) -> None:
    """Why it failed and what to do; nothing when it did not fail."""
    if report.verdict is not None:
        deployment_commands.show_verdict(console, report.verdict)
