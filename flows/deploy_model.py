"""Takes a model online: register → build artifact version → provision → wait → smoke test → promote."""

from __future__ import annotations

from prefect import flow

from moorage.deployment import DeploymentSpec
from moorage.errors import Superseded
from moorage.predictor import ModelSource
from moorage.report import DeployReport, Outcome
from moorage.rollout import Proposal, verdict_of
from tasks.build_artifact_version import build_artifact_version
from tasks.check_specification import check_specification
from tasks.promote_revision import promote_revision
from tasks.provision_predictor import provision_predictor
from tasks.recording import Recording, recording
from tasks.register_model import register_model
from tasks.restore_last_good import restore_last_good
from tasks.smoke_test import smoke_test
from tasks.wait_for_ready import wait_for_ready


@flow(name="deploy-model", flow_run_name="deploy-{spec.name}")
def deploy_model(
    spec: DeploymentSpec,
    model_files: ModelSource | None = None,
    reason: str = "",
    retry_quarantined: bool = False,
) -> DeployReport:
    """Takes a model online; what cannot be proven is taken back, and the last good revision serves on.

    Run it again after it was cut off anywhere: it goes on with the revision in flight.

    Args:
        spec: The model deployment, as it should be.
        model_files: What training saved, to be registered first. Without it, a registered model version is deployed.
        reason: Why, for the history.
        retry_quarantined: Try again what failed before, though nothing about it changed.
    """
    with recording(spec.name) as record:
        check_specification(spec, model_files)
        model = register_model(spec.model, model_files)
        artifact = build_artifact_version(spec, model)
        proposal = provision_predictor(spec, model, artifact, reason=reason, retry_quarantined=retry_quarantined)
        return take_online(record, proposal)


def take_online(record: Recording, proposal: Proposal) -> DeployReport:
    """Waits for a revision that was applied, proves it, and promotes it; or restores what was live."""
    revision, record.endpoint = proposal.revision, proposal.endpoint
    record.revision = revision.number
    if proposal.nothing_to_do:
        return record.succeeded(Outcome.NOTHING_TO_DO)
    try:
        record.endpoint = wait_for_ready(revision)
        smoke_test(revision)
        promote_revision(revision)
    except Superseded:
        raise  # what runs now is decided by whoever took over
    except BaseException as failure:
        record.restored = restore_last_good(revision, verdict_of(failure))
        raise
    return record.succeeded(Outcome.LIVE)
