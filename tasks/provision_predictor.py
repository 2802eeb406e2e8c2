"""A revision, proposed and applied."""

from __future__ import annotations

from moorage import rollout
from moorage.deployment import DeploymentSpec
from moorage.preparation import draft_revision
from moorage.registry.artifacts import ArtifactVersion
from moorage.registry.record import ModelVersion
from moorage.rollout import Proposal
from tasks.acting_site import acting_site
from tasks.recording import note
from tasks.step import step


@step("provision predictor")
def provision_predictor(
    spec: DeploymentSpec,
    model: ModelVersion,
    artifact: ArtifactVersion,
    *,
    reason: str = "",
    retry_quarantined: bool = False,
) -> Proposal:
    """Proposes the resolved specification as a revision and applies it; what is live and answers is left alone."""
    site = acting_site()
    draft = draft_revision(site, spec, model, artifact)
    proposal = rollout.provision(site, draft, reason=reason, retry_quarantined=retry_quarantined)
    note(revision=proposal.revision.number, proposal=proposal.kind.lower(), replaces=proposal.replaces or "nothing")
    note(why=reason or None)
    return proposal
