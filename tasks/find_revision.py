"""What to go back to."""

from __future__ import annotations

from moorage import rollback
from moorage.deployment import Revision
from moorage.lifecycle import history
from tasks.acting_site import acting_site
from tasks.recording import note
from tasks.step import step


@step("find revision")
def find_revision(deployment: str, number: int | None) -> Revision:
    """The earlier revision with this number, or the last good one before what is live; it was proven once."""
    found = rollback.find_revision(deployment, history(acting_site(), deployment), number)
    note(back_to=f"revision {found.number}", model=f"{found.model.name} version {found.model.version}")
    return found
