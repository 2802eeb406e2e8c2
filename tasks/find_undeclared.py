"""What was declared before and is not any more."""

from __future__ import annotations

from collections.abc import Collection

from moorage.declared_group import DeclaredGroup
from moorage.ledger import deployments_in
from moorage.site import Site
from tasks.step import step


@step("find undeclared")
def find_undeclared(group: str, declared: Collection[str]) -> list[str]:
    """The deployments that the group declared before, does not declare now, and that are still there."""
    site = Site.from_env()
    gone = DeclaredGroup(site.store, site.settings.project, group).undeclared(declared)
    return sorted(set(gone) & set(deployments_in(site.store, site.settings.project))) if gone else []
