"""What is declared now, for whoever asks later what is not any more."""

from __future__ import annotations

from collections.abc import Collection

from moorage.declared_group import DeclaredGroup
from tasks.acting_site import acting_site
from tasks.step import step


@step("remember declared")
def remember_declared(group: str, declared: Collection[str], pruned: Collection[str]) -> None:
    """Has the store remember what the group declares; what was pruned is forgotten."""
    site = acting_site()
    DeclaredGroup(site.store, site.settings.project, group, actor=site.actor).remember(declared, pruned=pruned)
