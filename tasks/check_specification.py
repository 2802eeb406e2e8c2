"""Before anything else: every rule at once."""

from __future__ import annotations

from moorage import preparation
from moorage.deployment import DeploymentSpec
from moorage.predictor import ModelSource
from moorage.project_files import files_here
from tasks.acting_site import acting_site
from tasks.step import step


@step("check specification")
def check_specification(spec: DeploymentSpec, model_files: ModelSource | None = None) -> None:
    """Holds the specification against every rule, before anything is uploaded or applied."""
    site = acting_site()
    with files_here(site.store, spec) as here:
        preparation.check(site, here, model_files)
