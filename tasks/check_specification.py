"""Before anything else: every rule at once."""

from __future__ import annotations

from moorage import preparation
from moorage.deployment import DeploymentSpec
from moorage.predictor import ModelSource
from tasks.acting_site import acting_site
from tasks.step import step


@step("check specification")
def check_specification(spec: DeploymentSpec, model_files: ModelSource | None = None) -> None:
    """Holds the specification against every rule, before anything is uploaded or applied."""
    preparation.check(acting_site(), spec, model_files)
