"""Deploys what follows a model that was registered, or an alias that moved: find → compare → deploy each → report."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.one_declared import deploy_declared
from flows.side_by_side import side_by_side
from moorage.contest import Contest
from moorage.errors import MoorageError
from moorage.reconciliation import Reconciliation, Row, as_failed, as_kept, as_planned
from tasks.find_followers import find_followers
from tasks.hold_contest import hold_contest
from tasks.plan_declared import PlannedFile, declared, plan_declared
from tasks.publish_reconciliation import publish_reconciliation


@flow(name="deploy-registered-model", flow_run_name="deploy-registered-{model_name}")
def deploy_registered_model(
    model_name: str | None = None,
    model_version: int | None = None,
    alias: str | None = None,
    folder: str = "deployments/models",
    contest: Contest | None = None,
    at_once: Annotated[int, Field(ge=1, le=32)] = 2,
) -> Reconciliation:
    """Deploys each declared deployment that follows the model, if the new version is better where that is asked.

    An event is a hint and no order: what is deployed is what the specification means now. So events may come late,
    twice or in another order.

    Args:
        model_name: The model that was registered, or whose alias moved.
        model_version: Its version, which must exist. Without it, the newest.
        alias: The alias that moved. Without it, deployments that follow the latest version are looked at.
        folder: Folder with a YAML file for each deployment; `Projects/…` is one in the store.
        contest: What the version to be deployed must do better than the one that is live. Without it, it need not.
        at_once: How many deploys go on at the same time.
    """
    with declared(folder) as found:
        planned = plan_declared(find_followers(found, model_name, model_version, alias))
        reason = f"{model_name}: {f'alias {alias} moved' if alias else f'version {model_version} registered'}"
        deploy = partial(_deploy, contest=contest, reason=reason)
        rows = side_by_side(deploy, planned, at_once=at_once)
    reconciliation = Reconciliation(f"{model_name} in {folder}", tuple(rows))
    publish_reconciliation(reconciliation, f"following-{model_name}")
    reconciliation.check()
    return reconciliation


def _deploy(each: PlannedFile, *, contest: Contest | None, reason: str) -> Row:
    if contest is None or not each.planned.is_deployed:
        return deploy_declared(each, reason=reason)
    row = as_planned(each.file, each.planned)
    try:
        decision = hold_contest(contest, each.spec, each.planned)
    except MoorageError as error:
        return as_failed(row, error, 0)
    if not decision.challenger_wins:
        return as_kept(row, decision.why)
    return deploy_declared(each, reason=f"{reason}; {decision.why}")
