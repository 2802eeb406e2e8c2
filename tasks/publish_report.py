"""The report of a deploy as a Prefect artifact."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from prefect.artifacts import create_markdown_artifact

from moorage.report import DeployReport, as_markdown
from tasks.acting_site import acting_site

log = logging.getLogger(__name__)

DEFAULT_PROJECT: Final = "default"


def publish_report(report: DeployReport) -> None:
    """Publishes the report under the deployment's key, which keeps every earlier one as its history.

    A report that cannot be published is a warning: the deploy has ended, and the ledger has it.
    """
    try:
        site = acting_site()
        create_markdown_artifact(
            key=artifact_key(site.settings.project, report.deployment),
            markdown=as_markdown(replace(report, facts=(("started by", site.actor), *report.facts))),
            description=report.headline,
        )
    except Exception as error:  # noqa: BLE001 -- whatever Prefect raises, the deploy has ended
        log.warning("deployment %s: the report could not be published: %s", report.deployment, error)


def artifact_key(project: str, name: str, *, verb: str = "deploy") -> str:
    """`<verb>-<project>-<name>`, in what Prefect takes for a key; the default project is left out."""
    owned = name if project == DEFAULT_PROJECT else f"{project}-{name}"
    return f"{verb}-{owned}".lower().replace("_", "-")
