"""Whether a model version that is there to be deployed beats the one that is live (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import Field

from moorage.errors import CallerError
from moorage.noun import Noun


class Contest(Noun):
    """What a challenger has to do better than the champion, and by how much."""

    metric: str = Field(title="Metric", min_length=1, description="Name of a training metric: auc.")
    margin: float = Field(0, ge=0, allow_inf_nan=False, title="Margin", description="By how much it must be better.")
    lower_is_better: bool = Field(False, title="Lower is better", description="As with losses and errors.")


@dataclass(frozen=True)
class Score:
    """One model version's metrics."""

    version: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Decision:
    """Whether the challenger is deployed, and why, in words."""

    challenger_wins: bool
    why: str


def decide(contest: Contest, challenger: Score, champion: Score | None) -> Decision:
    """Holds the challenger against the champion; one without the metric, or none at all, is beaten by any that has it.

    Raises:
        CallerError: the challenger has no such metric.
    """
    metric = contest.metric
    new = challenger.metrics.get(metric)
    if new is None:
        known = ", ".join(sorted(challenger.metrics)) or "none"
        raise CallerError(
            f"Version {challenger.version} has no metric {metric!r} to be compared by.",
            f"It has {known}.",
            "Publish it with its metrics, or name another metric.",
        )
    old = None if champion is None else champion.metrics.get(metric)
    if champion is None or old is None:
        return Decision(True, f"{metric} {new:g}, and nothing to compare it with")
    gain = old - new if contest.lower_is_better else new - old
    wins = gain > 0 and gain >= contest.margin
    word = "beats" if wins else "does not beat"
    margin = f" by {contest.margin:g}" if contest.margin else ""
    return Decision(wins, f"{metric} {new:g} {word} {old:g} of version {champion.version}{margin}")
