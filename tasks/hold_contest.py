"""Champion and challenger."""

from __future__ import annotations

from moorage import following
from moorage.contest import Contest, Decision
from moorage.deployment import DeploymentSpec
from moorage.planning import Planned
from tasks.acting_site import acting_site
from tasks.step import step


@step("hold contest")
def hold_contest(contest: Contest, spec: DeploymentSpec, planned: Planned) -> Decision:
    """Whether the model version to be deployed beats the one that is live, by the metric that was named."""
    return following.hold_contest(acting_site(), contest, spec, planned)
