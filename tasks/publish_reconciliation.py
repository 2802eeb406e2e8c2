"""What came of all that is declared, as a Prefect artifact."""

from __future__ import annotations

import logging

from prefect.artifacts import create_table_artifact

from moorage.reconciliation import Reconciliation
from tasks.acting_site import acting_site
from tasks.publish_report import artifact_key

log = logging.getLogger(__name__)


def publish_reconciliation(reconciliation: Reconciliation, group: str) -> None:
    """Publishes the rows as a table under the group's key, which keeps every earlier one as its history.

    A table that cannot be published is a warning: what was deployed is deployed.
    """
    log.info("%s", reconciliation.headline, extra={"reconciliation": reconciliation})
    try:
        create_table_artifact(
            key=artifact_key(acting_site().settings.project, group, verb="redeploy"),
            table=reconciliation.table,
            description=reconciliation.headline,
        )
    except Exception as error:  # noqa: BLE001 -- whatever Prefect raises, the deploys have ended
        log.warning("what came of the declared deployments could not be published: %s", error)
