"""Takes a model deployment offline for good; its models and its history stay."""

from __future__ import annotations

from prefect import flow

from flows.approval import ask_approval
from tasks.retire_deployment import retire_deployment as retire


@flow(name="retire-deployment", flow_run_name="retire-{deployment}")
def retire_deployment(deployment: str, reason: str = "", needs_approval: bool = False) -> None:
    """Stops the deployment and removes what its serving tool keeps of it; deploying it again makes it anew.

    Args:
        deployment: Name of the model deployment.
        reason: Why, for the history.
        needs_approval: Ask somebody in a form first.
    """
    why = [reason]
    if needs_approval:
        why.append(ask_approval(f"{deployment} is retired: nothing of it answers any more."))
    retire(deployment, reason="; ".join(filter(None, why)))
