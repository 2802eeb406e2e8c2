"""How deploys are shown: a line each for people, all of it for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from moorage.cli.terminal import console, print_json
from moorage.deploys import Deploy, DeployOutcome

_STYLES = {DeployOutcome.LIVE: "green", DeployOutcome.FAILED: "red", DeployOutcome.RESTORED: "red"}


def show_deploys(deploys: Sequence[Deploy], *, as_json: bool) -> None:
    """When, which revision, what came of it, how long it took, of which model, in whose place, who, why."""
    if as_json:
        print_json([_plain(deploy) for deploy in deploys])
        return
    table = Table("TIME", "REVISION", "OUTCOME", "TOOK", "MODEL", "REPLACED", "BY", "WHY", box=None, pad_edge=False)
    for deploy in deploys:
        model = deploy.revision.model
        table.add_row(
            Text(deploy.began[:19].replace("T", " ")),
            str(deploy.revision.number),
            Text(_outcome(deploy), style=_STYLES.get(deploy.outcome, "yellow")),
            f"{deploy.took_s:.1f} s",
            Text(f"{model.name} {model.version}"),
            str(deploy.replaced or "-"),
            Text(deploy.actor),
            Text(deploy.why if deploy.verdict is None else f"{deploy.why}\n{deploy.verdict.cause}".strip()),
        )
    console.print(table)


def _outcome(deploy: Deploy) -> str:
    words = deploy.outcome.lower().replace("_", " ")
    return f"{words} {deploy.restored}" if deploy.restored is not None else words


def _plain(deploy: Deploy) -> dict[str, Any]:
    revision = deploy.revision
    return {
        "revision": revision.number,
        "began": deploy.began,
        "took_s": round(deploy.took_s, 3),
        "actor": deploy.actor,
        "why": deploy.why,
        "outcome": deploy.outcome.value,
        "model": revision.model.model_dump(mode="json"),
        "artifact": revision.artifact.model_dump(mode="json"),
        "replaced": deploy.replaced,
        "restored": deploy.restored,
        "verdict": deploy.verdict.to_dict() if deploy.verdict else None,
        "steps": [{"name": step.name, "began_s": step.began_s, "took_s": step.took_s} for step in deploy.steps],
    }
