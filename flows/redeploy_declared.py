"""Deploys what a folder declares and what differs from what is live: read → plan → deploy each → prune → report."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows.one_declared import deploy_declared
from flows.side_by_side import side_by_side
from moorage.errors import MoorageError
from moorage.reconciliation import Reconciliation, Result, Row, as_failed, as_planned
from tasks.find_undeclared import find_undeclared
from tasks.plan_declared import PlannedFile, declared, plan_declared
from tasks.publish_reconciliation import publish_reconciliation
from tasks.remember_declared import remember_declared
from tasks.retire_deployment import retire_deployment


@flow(name="redeploy-declared", flow_run_name="redeploy-{group}")
def redeploy_declared(
    folder: str = "deployments/models",
    only: tuple[str, ...] = (),
    at_once: Annotated[int, Field(ge=1, le=32)] = 2,
    dry_run: bool = False,
    prune: bool = False,
    retry_quarantined: bool = False,
    group: str = "declared",
) -> Reconciliation:
    """Deploys each declared deployment that differs from what is live; one that fails does not stop the others.

    Args:
        folder: Folder with a YAML file for each deployment; `Projects/…` is one in the store.
        only: Names of the deployments to look at. Without it, all of the folder.
        at_once: How many deploys go on at the same time.
        dry_run: Only say what would be done.
        prune: Retire what this group declared before and does not declare any more.
        retry_quarantined: Try again what failed before, though nothing about it changed.
        group: What is declared together; another folder for the same project needs another name.
    """
    with declared(folder, only) as found:
        rows = [Row("", each.path.name, Result.REFUSED, each.problem) for each in found if each.spec is None]
        is_whole = not rows and not only
        planned = plan_declared(found)
        names = [each.spec.name for each in planned]
        if dry_run:
            rows += [as_planned(each.file, each.planned) for each in planned]
        else:
            deploy = partial(_deploy, retry_quarantined=retry_quarantined)
            rows += side_by_side(deploy, planned, at_once=at_once)
    gone = find_undeclared(group, names) if is_whole else []
    rows += [_prune(name, dry_run=dry_run or not prune) for name in gone]
    if not dry_run:
        remember_declared(group, names, [row.deployment for row in rows if row.result is Result.PRUNED])
    reconciliation = Reconciliation(folder, tuple(rows), dry_run)
    publish_reconciliation(reconciliation, group)
    reconciliation.check()
    return reconciliation


def _deploy(each: PlannedFile, *, retry_quarantined: bool) -> Row:
    return deploy_declared(each, reason=f"declared in {each.file}", retry_quarantined=retry_quarantined)


def _prune(name: str, *, dry_run: bool) -> Row:
    row = Row(name, "", Result.UNDECLARED, "no longer declared; prune retires it")
    if dry_run:
        return row
    try:
        retire_deployment(name, reason="no longer declared")
    except MoorageError as error:
        return as_failed(row, error, 0)
    return Row(name, "", Result.PRUNED, "no longer declared: retired")
