"""Which declared deployments a change in the registry concerns, and whether it is good enough for them."""

from __future__ import annotations

from moorage.contest import Contest, Decision, Score, decide
from moorage.deployment import DeploymentSpec
from moorage.errors import CallerError
from moorage.names import LATEST
from moorage.planning import Planned
from moorage.site import Site


def check_event(site: Site, model_name: str | None, model_version: int | None) -> str:
    """The name of the model that an event is about.

    Raises:
        CallerError: the event does not say.
        NotFound: there is no such model, or it has no such version.
    """
    if not model_name:
        raise CallerError(
            "The event names no model.",
            "Its payload holds 'name', and 'version' or 'alias'.",
            "See the trigger's parameters in prefect.yaml, and the event itself in Prefect's event feed.",
        )
    site.registry.get(model_name, LATEST if model_version is None else model_version)
    return model_name


def follows(spec: DeploymentSpec, model_name: str, alias: str | None) -> bool:
    """Whether a new version of a model, or an alias that moved, may mean another version for this deployment (pure)."""
    if spec.model.name != model_name:
        return False
    return spec.model.version == (LATEST if alias is None else alias)


def hold_contest(site: Site, contest: Contest, spec: DeploymentSpec, planned: Planned) -> Decision:
    """Whether the version that the specification means beats the one that is live.

    Raises:
        CallerError: it has no such metric.
    """
    challenger = site.registry.get(spec.model.name, spec.model.version)
    live = site.ledger(spec.name).state().live if planned.live else None
    champion = None
    if live is not None and live.model.name == challenger.name:
        before = site.registry.get(live.model.name, live.model.version)
        champion = Score(before.version, before.metrics)
    return decide(contest, Score(challenger.version, challenger.metrics), champion)
