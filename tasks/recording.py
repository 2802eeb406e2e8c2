"""Collects what the steps of one deploy did into its report."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from moorage.errors import Superseded
from moorage.report import DeployReport, Outcome
from moorage.rollout import Restored, verdict_of
from moorage.serving.verdict import Verdict
from moorage.waterfall import StepTiming
from tasks.publish_report import publish_report

log = logging.getLogger(__name__)


@dataclass
class Recording:
    """One deploy as it goes; filled by the steps, turned into a report at its end.

    Attributes:
        revision, endpoint: what it is about, and where that answers; None until known.
        facts: names and values worth keeping; a later value replaces an earlier one of the same name.
        restored: what was done about a revision that failed.
        report: None until the deploy has ended.
    """

    deployment: str
    began: float = field(default_factory=time.monotonic)
    steps: list[StepTiming] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    revision: int | None = None
    endpoint: str | None = None
    restored: Restored | None = None
    report: DeployReport | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times one step; one that raises is kept as failed."""
        log.info("%s", name, extra={"step_began": name, "deployment": self.deployment})
        began = time.monotonic()
        ok = False
        try:
            yield
            ok = True
        finally:
            timing = StepTiming(name, began - self.began, time.monotonic() - began, ok)
            self.steps.append(timing)
            log.info("%s: %.2f s", name, timing.took_s, extra={"step_ended": timing, "deployment": self.deployment})

    def succeeded(self, outcome: Outcome) -> DeployReport:
        """The report of a deploy that came to its end."""
        self.report = self._report(outcome, serving=self.revision)
        return self.report

    def failed(self, error: BaseException) -> DeployReport:
        """The report of a deploy that raised."""
        verdict = getattr(error, "verdict", None)
        if self.restored is not None:
            verdict = self.restored.verdict
        elif verdict is None and not isinstance(error, Exception):
            verdict = verdict_of(error)
        serving = self.restored.revision if self.restored else None
        return self._report(self._outcome(error, serving), serving=serving, verdict=verdict, error=error)

    def _outcome(self, error: BaseException, serving: int | None) -> Outcome:
        if isinstance(error, Superseded):
            return Outcome.SUPERSEDED
        if not isinstance(error, Exception):
            return Outcome.INTERRUPTED
        return Outcome.FAILED if serving is None else Outcome.RESTORED

    def _report(
        self,
        outcome: Outcome,
        *,
        serving: int | None,
        verdict: Verdict | None = None,
        error: BaseException | None = None,
    ) -> DeployReport:
        return DeployReport(
            deployment=self.deployment,
            outcome=outcome,
            revision=self.revision,
            serving=serving,
            taken_back=self.restored is not None and not self.restored.kept,
            superseded_by=error.reason if isinstance(error, Superseded) else "",
            endpoint=self.endpoint,
            facts=tuple(self.facts.items()),
            steps=tuple(self.steps),
            verdict=verdict,
            error="" if error is None else str(error),
        )


_current: ContextVar[Recording | None] = ContextVar("recording", default=None)


@contextmanager
def recording(deployment: str) -> Iterator[Recording]:
    """Records the steps taken inside, and publishes the report whatever comes of them."""
    record = Recording(deployment)
    token = _current.set(record)
    try:
        yield record
    except BaseException as error:
        record.report = record.failed(error)
        raise
    finally:
        _current.reset(token)
        if record.report is not None:
            log.info("%s", record.report.headline, extra={"report": record.report})
            publish_report(record.report)


@contextmanager
def recorded_step(name: str) -> Iterator[None]:
    """Times a step in the recording around it; outside of one, nothing is kept."""
    record = _current.get()
    if record is None:
        yield
        return
    with record.step(name):
        yield


def note(**facts: object) -> None:
    """Keeps facts for the report of the deploy around it; outside of one, nothing is kept."""
    record = _current.get()
    if record is not None:
        record.facts |= {name.replace("_", " "): str(value) for name, value in facts.items()}
