"""A whole deploy in one call, without an orchestrator; a flow does the same, a task for each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from moorage import preparation, rollout
from moorage.deployment import DeploymentSpec, Revision
from moorage.errors import Superseded
from moorage.inference.smoke import Proof
from moorage.predictor import ModelSource
from moorage.project_files import files_here
from moorage.rollout import Restored
from moorage.site import Site


@dataclass(frozen=True)
class Deployed:
    """A deploy that came to its end: this revision is live.

    Attributes:
        endpoint: the base URL that it answers at.
        proof: what was shown of it; None: it was live already, and nothing was done.
    """

    revision: Revision
    endpoint: str | None
    proof: Proof | None = None

    @property
    def is_unchanged(self) -> bool:
        """Whether there was nothing to do."""
        return self.proof is None


def deploy(
    site: Site,
    spec: DeploymentSpec,
    source: ModelSource | None = None,
    *,
    reason: str = "",
    retry_quarantined: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
    on_restored: Callable[[Restored], None] = lambda _: None,
) -> Deployed:
    """Takes a model online: register, build, provision, wait, prove, promote; what cannot be proven is taken back.

    It can be called again after it was cut off anywhere: it goes on with the revision in flight.

    Args:
        source: what training saved, to be registered first; by default a registered model version is deployed.
        reason: why, for the history.
        retry_quarantined: try again what failed before, though nothing about it changed.
        on_stage: told each time something new is done, in words for people.
        on_restored: told what was done about a revision that failed, before the error comes.

    Raises:
        InvalidSpec: with every rule that it breaks; nothing was done.
        Quarantined: just this failed before.
        ProvisionFailed: it could not be proven, and why; the last good revision serves on.
        Superseded: a newer deploy took over.
    """
    draft = _prepare(site, spec, source, on_stage)
    return take_online(
        site, draft, reason=reason, retry_quarantined=retry_quarantined, on_stage=on_stage, on_restored=on_restored
    )


def create(site: Site, spec: DeploymentSpec, *, reason: str = "") -> Revision:
    """Makes a deployment and starts nothing: its files are in the store, its revision in the ledger.

    Raises:
        InvalidSpec: with every rule that it breaks; nothing was done.
        CallerError: something of that name is live, or in flight.
    """
    return rollout.create(site, _prepare(site, spec, None, lambda _: None), reason=reason)


def take_online(
    site: Site,
    draft: Revision,
    *,
    reason: str = "",
    retry_quarantined: bool = False,
    on_stage: Callable[[str], None] = lambda _: None,
    on_restored: Callable[[Restored], None] = lambda _: None,
) -> Deployed:
    """The second half of it, for a specification that is resolved already: an earlier revision, for example."""
    on_stage("provisioning")
    proposal = rollout.provision(site, draft, reason=reason, retry_quarantined=retry_quarantined)
    revision = proposal.revision
    if proposal.nothing_to_do:
        return Deployed(revision, proposal.endpoint)
    try:
        seen = rollout.wait(site, revision, on_stage=on_stage)
        on_stage("asking the smoke requests")
        proof = rollout.prove(site, revision)
        rollout.promote(site, revision)
    except Superseded:
        raise  # what runs now is decided by whoever took over
    except BaseException as failure:
        if restored := rollout.restore(site, revision, rollout.verdict_of(failure)):
            on_restored(restored)
        raise
    return Deployed(revision, seen.endpoint, proof)


def _prepare(site: Site, spec: DeploymentSpec, source: ModelSource | None, on_stage: Callable[[str], None]) -> Revision:
    """The specification, checked and resolved, with all its files in the store."""
    on_stage("checking the specification")
    with files_here(site.store, spec) as here:
        preparation.check(site, here, source)
        on_stage("registering the model" if source else "looking up the model")
        model = preparation.register(site, here.model, source)
        on_stage("building the artifact version")
        artifact = preparation.build_artifact_version(site, here, model)
    return preparation.draft_revision(site, spec, model, artifact)
