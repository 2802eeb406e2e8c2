"""The proven revision becomes the live one."""

from __future__ import annotations

from moorage import rollout
from moorage.deployment import Revision
from tasks.acting_site import acting_site
from tasks.step import step


@step("promote revision")
def promote_revision(revision: Revision) -> None:
    """Enters the revision as live: what is restored to from now on."""
    rollout.promote(acting_site(), revision)
