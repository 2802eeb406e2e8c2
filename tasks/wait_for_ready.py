"""Until the new revision answers, or cannot."""

from __future__ import annotations

import logging

from moorage import rollout
from moorage.deployment import Revision
from tasks.acting_site import acting_site
from tasks.recording import note
from tasks.step import step

log = logging.getLogger(__name__)


@step("wait for ready")
def wait_for_ready(revision: Revision) -> str | None:
    """Watches until the revision answers users' requests and returns its endpoint; a verdict ends the wait early.

    Call it directly: in a thread of a task runner, Prefect could not interrupt it. It has a deadline of its own.
    """
    seen = rollout.wait(
        acting_site(),
        revision,
        on_stage=lambda stage: log.info("revision %d: %s", revision.number, stage, extra={"stage": stage}),
    )
    note(endpoint=seen.endpoint)
    return seen.endpoint
