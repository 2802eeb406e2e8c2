"""What was freed, as a Prefect artifact."""

from __future__ import annotations

import logging

from prefect.artifacts import create_table_artifact

from moorage.retention import Tidied
from tasks.acting_site import acting_site
from tasks.publish_report import artifact_key

log = logging.getLogger(__name__)


def publish_garbage(tidied: Tidied) -> None:
    """Publishes what was freed as a table under the project's key, which keeps every earlier one as its history.

    A table that cannot be published is a warning: what was freed is freed.
    """
    log.info("%s", tidied.headline)
    try:
        create_table_artifact(
            key=artifact_key(acting_site().settings.project, "garbage", verb="collect"),
            table=tidied.rows,
            description="; ".join((tidied.headline, *map(str, tidied.pins))),
        )
    except Exception as error:  # noqa: BLE001 -- whatever Prefect raises, garbage was collected
        log.warning("what was freed could not be published: %s", error)
