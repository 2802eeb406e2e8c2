"""Goes back to an earlier revision, proven like any other: find → approve → provision → wait → smoke test → promote."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.approval import ask_approval
from flows.deploy_model import take_online
from moorage.report import DeployReport
from tasks.find_revision import find_revision
from tasks.provision_again import provision_again
from tasks.recording import recording


@flow(name="roll-back", flow_run_name="roll-back-{deployment}")
def roll_back(
    deployment: str,
    to_revision: Annotated[int, Field(ge=1)] | None = None,
    reason: str = "",
    needs_approval: bool = False,
    retry_quarantined: bool = False,
) -> DeployReport:
    """Takes an earlier revision online again: its model, its artifact files, its options, under a new number.

    Args:
        deployment: Name of the model deployment.
        to_revision: Number of the revision. Without it, the last good one before what is live now.
        reason: Why, for the history.
        needs_approval: Ask somebody in a form first.
        retry_quarantined: Go back to it though just that failed since.
    """
    with recording(deployment) as record:
        earlier = find_revision(deployment, to_revision)
        why = [f"back to revision {earlier.number}", reason]
        if needs_approval:
            model = f"{earlier.model.name} version {earlier.model.version}"
            why.append(ask_approval(f"{deployment} goes back to revision {earlier.number}, {model}."))
        told = "; ".join(filter(None, why))
        return take_online(record, provision_again(earlier, reason=told, retry_quarantined=retry_quarantined))
