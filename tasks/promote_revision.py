"""The proven revision becomes the live one."""

from __future__ import annotations

from moorage import rollout
from moorage.deployment import Revision
from moorage.site import Site
from tasks.step import step


@step("promote revision")
def promote_revision(revision: Revision) -> None:
    """Enters the revision as live: what is restored to from now on."""
    rollout.promote(Site.from_env(), revision)
