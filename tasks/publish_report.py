"""The report of a deploy as a Prefect artifact."""

from __future__ import annotations

import logging

from prefect.artifacts import create_markdown_artifact

from moorage.report import DeployReport, as_markdown

log = logging.getLogger(__name__)


def publish_report(report: DeployReport) -> None:
    """Publishes the report under the key `deploy-<deployment>`, which keeps every earlier one as its history.

    A report that cannot be published is a warning: the deploy has ended, and the ledger has it.
    """
    try:
        create_markdown_artifact(
            key=f"deploy-{report.deployment.lower()}", markdown=as_markdown(report), description=report.headline
        )
    except Exception as error:  # noqa: BLE001 -- whatever Prefect raises, the deploy has ended
        log.warning("deployment %s: the report could not be published: %s", report.deployment, error)
