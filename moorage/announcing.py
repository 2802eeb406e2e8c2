"""Tells an orchestrator what happened in the registry, so that it can act on it: one HTTP request for each event.

The bodies are events as Prefect's server takes them (https://docs.prefect.io/v3/concepts/events); a trainer that has no
Prefect installed can tell one all the same.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from moorage.errors import BackendUnavailable
from moorage.registry.news import AliasMoved, ModelRegistered, News
from moorage.registry.record import ModelVersion

log = logging.getLogger(__name__)

MODEL_REGISTERED: Final = "moorage.model.registered"
ALIAS_MOVED: Final = "moorage.alias.moved"
# Of our own making, so that the same news, told again, has the same id.
_NAMESPACE: Final = uuid.UUID("8b1c7e4a-1f0d-5f0e-9d55-3d5c1b8f6a10")
# Whoever publishes is not to wait for long.
_TIMEOUT_S: Final = 3


@dataclass(frozen=True)
class Announcer:
    """Posts what the registry of one project tells.

    Attributes:
        url: where events are posted to; empty: nowhere.
        authorization: what the requests say in their header of that name; empty: nothing.
    """

    project: str
    url: str
    authorization: str = ""

    def tell(self, news: News) -> None:
        """Posts the event; that it could not be is a warning: what it tells stands in the registry all the same."""
        if not self.url:
            return
        try:
            self.post(event_of(news, self.project))
        except BackendUnavailable as error:
            log.warning("%s", error)

    def post(self, event: Mapping[str, Any]) -> None:
        """Posts one event.

        Raises:
            BackendUnavailable: nobody took it.
        """
        # imported here: who registers a model without an orchestrator need not load what asks one
        import httpx

        headers = {"Authorization": self.authorization} if self.authorization else {}
        try:
            answer = httpx.post(self.url, json=[event], headers=headers, timeout=_TIMEOUT_S)
            problem = "" if answer.is_success else f"it answered {answer.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            raise BackendUnavailable(
                f"The event {event['event']!r} could not be posted: {problem.rstrip('.')}.",
                f"MOORAGE_EVENTS names who takes events; it is {self.url}.",
                "See whether it runs; or set MOORAGE_EVENTS to 'none'.",
            )


def event_of(news: News, project: str) -> dict[str, Any]:
    """The event that tells some news, now."""
    return model_registered(project, news.model) if isinstance(news, ModelRegistered) else alias_moved(project, news)


def model_registered(project: str, model: ModelVersion) -> dict[str, Any]:
    """The event that a model version is there."""
    payload = {
        "name": model.name,
        "version": model.version,
        "digest": model.digest,
        "metrics": dict(model.metrics),
        "project": project,
    }
    return _event(MODEL_REGISTERED, project, model.name, payload, f"{model.version} {model.digest}")


def alias_moved(project: str, moved: AliasMoved) -> dict[str, Any]:
    """The event that an alias points to another version."""
    payload = {"name": moved.name, "alias": moved.alias, "version": moved.version, "project": project}
    return _event(ALIAS_MOVED, project, moved.name, payload, f"{moved.entry} {moved.alias}")


def _event(name: str, project: str, model: str, payload: dict[str, Any], which: str) -> dict[str, Any]:
    resource = {"prefect.resource.id": f"moorage.model.{project}.{model}", "prefect.resource.name": model}
    owner = {"prefect.resource.id": f"moorage.project.{project}", "prefect.resource.role": "project"}
    return {
        "id": str(uuid.uuid5(_NAMESPACE, f"{name} {project} {model} {which}")),
        "occurred": datetime.now(UTC).isoformat(),
        "event": name,
        "resource": resource,
        "related": [owner],
        "payload": payload,
    }
