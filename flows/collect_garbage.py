"""Frees what no model version needs any more, and says what that was."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows.approval import ask_approval
from moorage.retention import LEASE_S, Tidied
from tasks.collect_garbage import collect_garbage as collect
from tasks.publish_garbage import publish_garbage


def name_of_run() -> str:
    """`collect-garbage-iris-dry-run`, by what it is to do."""
    asked = flow_run.parameters
    return "-".join(filter(None, ("collect-garbage", asked.get("model"), "dry-run" if asked.get("dry_run") else "")))


@flow(name="collect-garbage", flow_run_name=name_of_run)
def collect_garbage(
    keep: Annotated[int, Field(ge=1)] | None = None,
    dry_run: bool = False,
    model: str | None = None,
    lease_s: Annotated[float, Field(ge=0)] = LEASE_S,
    needs_approval: bool = False,
) -> Tidied:
    """Frees what dead publishers left, deleted versions, and versions beyond those to keep; run it at any time.

    Args:
        keep: How many of the newest versions of each model stay, beside what an alias or a deployment needs. Without
            it, no version is deleted.
        dry_run: Only say what would be freed.
        model: The one model to look at. Without it, all of the project.
        lease_s: Seconds for which a version that was begun and never published is left alone.
        needs_approval: Publish what would be freed, and ask somebody in a form first, if it is anything. What is not
            needed any more by the time of the answer goes too.
    """
    approved = ""
    if needs_approval and not dry_run:
        foreseen = collect(model, keep=keep, dry_run=True, lease_s=lease_s)
        publish_garbage(foreseen)
        if foreseen.collected.freed:
            approved = ask_approval(f"{foreseen.headline}: see the table among this run's artifacts.")
    tidied = collect(model, keep=keep, dry_run=dry_run, lease_s=lease_s, reason=approved)
    publish_garbage(tidied)
    return tidied
