"""An earlier revision, proposed and applied once more."""

from __future__ import annotations

from moorage import rollout
from moorage.deployment import Revision
from moorage.rollout import Proposal
from tasks.acting_site import acting_site
from tasks.recording import note
from tasks.step import step


@step("provision again")
def provision_again(earlier: Revision, *, reason: str, retry_quarantined: bool = False) -> Proposal:
    """Proposes just what an earlier revision was, under a number of its own, and applies it."""
    proposal = rollout.provision(acting_site(), earlier, reason=reason, retry_quarantined=retry_quarantined)
    note(revision=proposal.revision.number, proposal=proposal.kind.lower(), replaces=proposal.replaces or "nothing")
    return proposal
