"""What is no longer wanted goes."""

from __future__ import annotations

from moorage import lifecycle
from moorage.site import Site
from tasks.step import step


@step("retire deployment")
def retire_deployment(name: str, *, reason: str = "") -> None:
    """Stops the deployment and removes what its serving tool keeps of it; its history and its models stay."""
    lifecycle.delete(Site.from_env(), name, reason=reason)
