"""Which declared deployments a change in the registry concerns, and whether it is good enough for them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from moorage.announcing import alias_moved, model_registered
from moorage.contest import Contest, Decision, Score, decide
from moorage.deployment import DeploymentSpec
from moorage.errors import CallerError
from moorage.names import LATEST
from moorage.planning import Planned
from moorage.registry.news import AliasMoved
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


def announce_again(
    site: Site, model_name: str, *, version: int | None = None, alias: str | None = None
) -> Mapping[str, Any]:
    """Posts the event of a model version that is there, or of an alias as it stands, once more; returns it.

    Raises:
        CallerError: nobody is named who takes events.
        NotFound: there is no such model, version or alias.
        BackendUnavailable: nobody took it.
    """
    announcer = site.announcer
    if not announcer.url:
        raise CallerError(
            "Nobody is named who takes events.",
            "A Prefect server at PREFECT_API_URL does, or what MOORAGE_EVENTS names.",
            "Set PREFECT_API_URL=http://…:4200/api, for example.",
        )
    model = site.registry.get(model_name, alias or (LATEST if version is None else version))
    if alias is None:
        event = model_registered(site.settings.project, model)
    else:
        event = alias_moved(site.settings.project, AliasMoved(model.name, alias, model.version, entry=0))
    # a repeated id would be taken for the event that was told before
    told = event | {"id": str(uuid.uuid4())}
    announcer.post(told)
    return told


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
