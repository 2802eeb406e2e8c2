"""The artifact version of the predictor script and its configuration."""

from __future__ import annotations

from moorage import preparation
from moorage.deployment import DeploymentSpec
from moorage.project_files import files_here
from moorage.registry.artifacts import ArtifactVersion
from moorage.registry.record import ModelVersion
from tasks.acting_site import acting_site
from tasks.recording import note
from tasks.step import step


@step("build artifact version")
def build_artifact_version(spec: DeploymentSpec, model: ModelVersion) -> ArtifactVersion:
    """Finds the artifact version with just these files, or builds the next one."""
    site = acting_site()
    with files_here(site.store, spec) as here:
        artifact = preparation.build_artifact_version(site, here, model)
    note(artifact_version=artifact.version, artifact_digest=artifact.digest)
    return artifact
