"""One declared deployment as a subflow, and what came of it as a row."""

from __future__ import annotations

import time

from flows.deploy_model import deploy_model
from moorage.errors import MoorageError
from moorage.reconciliation import Row, as_deployed, as_failed, as_planned
from tasks.plan_declared import PlannedFile


def deploy_declared(each: PlannedFile, *, reason: str, retry_quarantined: bool = False) -> Row:
    """Deploys it if a deploy would do anything; what fails is told instead of raised."""
    row = as_planned(each.file, each.planned)
    if not each.planned.is_deployed_by(retry_quarantined=retry_quarantined):
        return row
    began = time.monotonic()
    try:
        report = deploy_model(each.spec, reason=reason, retry_quarantined=retry_quarantined)
    except MoorageError as error:
        return as_failed(row, error, time.monotonic() - began)
    return as_deployed(row, report, time.monotonic() - began)
