"""A deploy as it is told on a terminal: each step as it happens, then what came of it."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from moorage.cli import deployment_commands
from moorage.reconciliation import Reconciliation
from moorage.report import DeployReport
from moorage.waterfall import StepTiming, waterfall

LOGGERS = ("tasks", "flows", "moorage")


class Narration(logging.Handler):
    """Prints the steps from the records that tasks log; use it in a `with`, around a flow that runs in this process.

    Args:
        several: deploys of several deployments go on at once: each step says whose it is.

    Attributes:
        report: the report of the deploy that ended last; None before the first.
        reconciliation: what came of all that is declared; None before that is told.
    """

    def __init__(self, console: Console, *, several: bool = False) -> None:
        super().__init__(logging.INFO)
        self._several = several
        self.report: DeployReport | None = None
        self.reconciliation: Reconciliation | None = None
        self._console = console
        self._status = console.status("")

    def say(self, what: str) -> None:
        """Shows what is going on right now, until something else is."""
        self._status.update(what)
        self._status.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Prints what a task's record tells; records of other kinds tell people nothing new."""
        if hasattr(record, "step_began"):
            self.say(self._whose(record) + record.step_began)
        elif hasattr(record, "stage"):
            self.say(f"wait for ready: {record.stage}")
        elif hasattr(record, "step_ended"):
            self._step(record.step_ended, self._whose(record))
        elif hasattr(record, "reconciliation"):
            self.reconciliation = record.reconciliation
            self._status.stop()
        elif hasattr(record, "report"):
            self.report = record.report
            self._status.stop()
            self._console.print(Text(record.report.headline, style="bold"))

    def show_reconciliation(self) -> None:
        """What came of each declared deployment, as a table."""
        if self.reconciliation is None:
            return
        table = Table("DEPLOYMENT", "RESULT", Column("DETAIL", overflow="fold"), "FILE", box=None, pad_edge=False)
        for row in self.reconciliation.table:
            result = Text(row["result"], style="red" if row["result"] in ("failed", "refused") else "")
            table.add_row(Text(row["deployment"]), result, Text(row["detail"]), Text(row["file"]))
        self._console.print(table)
        self._console.print(Text(self.reconciliation.headline, style="bold"))

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

    def _step(self, step: StepTiming, whose: str) -> None:
        mark = Text("✓", style="green") if step.ok else Text("✗", style="red")
        self._console.print(mark, Text(f"{whose}{step.name:<24}"), Text(f"{step.took_s:6.2f} s", style="dim"))

    def _whose(self, record: logging.LogRecord) -> str:
        return f"{getattr(record, 'deployment', ''):<16}" if self._several else ""


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
