"""What no model version needs any more is freed."""

from __future__ import annotations

from moorage import retention
from moorage.retention import Tidied
from tasks.acting_site import acting_site
from tasks.step import step


@step("collect garbage")
def collect_garbage(model: str | None, *, keep: int | None, dry_run: bool, lease_s: float, reason: str = "") -> Tidied:
    """Puts pins right and frees what is not needed; in a dry run says what that would be."""
    site = acting_site()
    return retention.collect_garbage(site, model, keep=keep, dry_run=dry_run, lease_s=lease_s, reason=reason)
