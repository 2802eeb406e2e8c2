"""What is no longer wanted goes."""

from __future__ import annotations

from moorage import lifecycle
from tasks.acting_site import acting_site
from tasks.step import step


@step("retire deployment")
def retire_deployment(name: str, *, reason: str = "") -> None:
    """Stops the deployment and removes what its serving tool keeps of it; its history and its models stay."""
    lifecycle.delete(acting_site(), name, reason=reason)
