"""Ask it."""

from __future__ import annotations

from moorage import rollout
from moorage.deployment import Revision
from moorage.inference.smoke import Proof
from tasks.acting_site import acting_site
from tasks.recording import note
from tasks.step import step


@step("smoke test")
def smoke_test(revision: Revision) -> Proof:
    """Asks the smoke requests over HTTP, as a user would; answers and digests must be this revision's."""
    proof = rollout.prove(acting_site(), revision)
    note(smoke_requests=f"{proof.requests} asked, {proof.compared} compared, slowest {proof.slowest_ms:.0f} ms")
    return proof
