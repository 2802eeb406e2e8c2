"""The report of one deploy: what happened, how long each step took, and what came of it (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from moorage.serving.verdict import Verdict
from moorage.waterfall import StepTiming, as_image, waterfall, waterfall_svg


class Outcome(StrEnum):
    """How a deploy ended."""

    LIVE = "LIVE"
    NOTHING_TO_DO = "NOTHING_TO_DO"
    RESTORED = "RESTORED"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"
    INTERRUPTED = "INTERRUPTED"


@dataclass(frozen=True)
class DeployReport:
    """What one run of `deploy_model` did.

    Attributes:
        revision: the revision it was about; None when it never came to one.
        serving: the revision that serves in the end; None when none does, or when nobody looked.
        taken_back: whether the revision was taken back.
        superseded_by: what took over from a revision that was superseded, in words.
        facts: names and values worth keeping: versions, digests, endpoint, proof.
        verdict: why it failed; None when it did not.
        error: the message of a failure that came with no verdict.
    """

    deployment: str
    outcome: Outcome
    revision: int | None = None
    serving: int | None = None
    taken_back: bool = False
    superseded_by: str = ""
    endpoint: str | None = None
    facts: tuple[tuple[str, str], ...] = ()
    steps: tuple[StepTiming, ...] = ()
    verdict: Verdict | None = None
    error: str = ""

    @property
    def headline(self) -> str:
        """One sentence: what came of it."""
        which = f"revision {self.revision} of {self.deployment}" if self.revision else self.deployment
        match self.outcome:
            case Outcome.LIVE:
                return f"{which} is live"
            case Outcome.NOTHING_TO_DO:
                return f"nothing to do: {which} is live and unchanged"
            case Outcome.RESTORED:
                return f"{which} failed and was taken back; revision {self.serving} serves on"
            case Outcome.SUPERSEDED:
                return f"{which} was superseded: {self.superseded_by}"
            case Outcome.INTERRUPTED:
                serving = f"revision {self.serving} serves on" if self.serving else "nothing serves"
                return f"{which} was interrupted" + (f" and taken back; {serving}" if self.taken_back else "")
            case Outcome.FAILED:
                return f"{which} was not deployed" if self.revision is None else f"{which} failed"


def size_in_words(size: float) -> str:
    """A number of bytes as people say it: `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def as_markdown(report: DeployReport) -> str:
    """The report as a Prefect artifact shows it."""
    sections = [f"# {report.deployment}: {report.outcome.replace('_', ' ').lower()}", f"**{report.headline}.**"]
    if report.verdict is not None:
        sections.append(_verdict_section(report.verdict))
    elif report.error:
        sections.append(f"## What happened\n\n{report.error}")
    if report.facts:
        rows = "\n".join(f"| {name} | `{value}` |" for name, value in report.facts)
        sections.append(f"## What\n\n| | |\n| --- | --- |\n{rows}")
    bars = [f"{name:<24}{bar}{took:>10}" for name, bar, took in waterfall(report.steps)]
    if bars:
        picture = f"![each step's seconds on one axis]({as_image(waterfall_svg(report.steps))})"
        sections.append(f"## Where the seconds went\n\n{picture}\n\n```\n" + "\n".join(bars) + "\n```")
    return "\n\n".join(sections) + "\n"


def _verdict_section(verdict: Verdict) -> str:
    lines = [f"## Verdict: {verdict.cause}" + (f" at `{verdict.where}`" if verdict.where else ""), verdict.summary]
    if verdict.expected:
        lines.append(verdict.expected)
    if verdict.mend:
        lines.append(f"**What to do:** {verdict.mend}")
    if verdict.evidence:
        lines.append("```\n" + "\n".join(verdict.evidence).replace("```", "'''") + "\n```")
    return "\n\n".join(lines)
