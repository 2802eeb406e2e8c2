"""What was declared before and is not any more."""

from __future__ import annotations

from collections.abc import Collection

from moorage.declared_group import DeclaredGroup
from moorage.ledger import deployments_in
from tasks.acting_site import acting_site
from tasks.step import step


@step("find undeclared")
def find_undeclared(group: str, declared: Collection[str]) -> list[str]:
    """The deployments that the group declared before, does not declare now, and that are still there."""
    site = acting_site()
    gone = DeclaredGroup(site.store, site.settings.project, group).undeclared(declared)
    return sorted(set(gone) & set(deployments_in(site.store, site.settings.project))) if gone else []
