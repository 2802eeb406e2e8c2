"""What is done to a deployment that exists: look, start, stop, delete, ask."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any, Final

from moorage.deployment import Revision, State
from moorage.errors import InferenceFailed, NotFound, NotReadyInTime
from moorage.inference.client import Answer, InferenceClient
from moorage.ledger import Change, Event, LedgerEntry, LedgerState, deployments_in
from moorage.names import check_deployment_name
from moorage.rollout import POLL_S, wait
from moorage.serving.base import Observation
from moorage.serving.verdict import Verdict
from moorage.site import Site
from moorage.startup import Cause

log = logging.getLogger(__name__)

# Longer than a supervisor gives its servers to finish.
STOP_S: Final = 60
START_S: Final = 600


@dataclass(frozen=True)
class DeploymentView:
    """One deployment: what was decided (the ledger) and what is (the serving tool)."""

    name: str
    ledger: LedgerState
    seen: Observation

    @property
    def revision(self) -> Revision | None:
        """The revision that answers, else the one that should."""
        for revision in (self.ledger.live, self.ledger.candidate):
            if revision is not None and revision.number == self.seen.serving:
                return revision
        return self.ledger.newest


def deployments(site: Site) -> list[DeploymentView]:
    """Every deployment of the project, by name."""
    return [view(site, name) for name in deployments_in(site.store, site.settings.project)]


def view(site: Site, name: str) -> DeploymentView:
    """One deployment. Raises NotFound, naming those that there are."""
    state = site.ledger(check_deployment_name(name)).state()
    if state.last_number == 0 or state.deleted:
        there = ", ".join(deployments_in(site.store, site.settings.project)) or "none yet"
        raise NotFound(
            f"There is no deployment {name!r} in project {site.settings.project!r}.", f"Deployments: {there}."
        )
    return DeploymentView(name, state, site.backend(state.serving_tool).observe(name))


def start(site: Site, name: str, *, timeout_s: float = START_S) -> Observation:
    """Starts the last good revision, or mends one whose supervisor is gone; waits until it answers.

    Raises:
        NotFound: no such deployment, or none of its revisions was ever proven.
        ProvisionFailed: it does not start any more, and why.
    """
    found = view(site, name)
    revision = found.ledger.newest
    if revision is None:
        raise NotFound(
            f"Deployment {name!r} has no revision that could be started: none was ever proven.", mend="Deploy it."
        )
    if found.seen.serves(revision.number):
        return found.seen
    site.ledger(name).record(
        lambda state: Change(Event.STARTED, state.model_copy(update={"stopped": False}), revision.number)
    )
    site.backend(revision.serving_tool).apply(revision)
    return wait(site, revision, timeout_s=timeout_s)


def stop(site: Site, name: str, *, timeout_s: float = STOP_S) -> Observation:
    """Stops the deployment and waits until no process and no listener is left; one that is stopped stays so."""
    found = view(site, name)
    site.ledger(name).record(_stopped)
    backend = site.backend(found.ledger.serving_tool)
    backend.stop(name)
    deadline = time.monotonic() + timeout_s
    while (seen := backend.observe(name)).state not in (State.STOPPED, State.CREATED):
        if time.monotonic() >= deadline:
            verdict = Verdict(Cause.NOT_READY_IN_TIME, f"It did not stop within {timeout_s:g} s.")
            raise NotReadyInTime(name, found.ledger.last_number, verdict)
        time.sleep(POLL_S)
    log.info("deployment %s: stopped", name)
    return seen


def delete(site: Site, name: str) -> None:
    """Stops the deployment and removes what its serving tool keeps of it; the history stays."""
    found = view(site, name)
    stop(site, name)
    site.backend(found.ledger.serving_tool).delete(name)
    site.ledger(name).record(
        lambda state: Change(
            Event.DELETED, LedgerState(last_number=state.last_number, quarantine=state.quarantine, deleted=True)
        )
    )
    log.info("deployment %s: deleted", name)


def predict(
    site: Site, name: str, *, inputs: Any = None, data: dict[str, Any] | None = None, timeout_s: float = 60
) -> Answer:
    """Asks a running deployment. Raises InferenceFailed when it is not running or answers an error."""
    endpoint = view(site, name).seen.endpoint
    if endpoint is None:
        raise InferenceFailed(f"Deployment {name!r} is not running.", mend=f"Run `moorage deployment start {name}`.")
    with InferenceClient(endpoint, name, timeout_s=timeout_s) as client:
        return client.predict(inputs=inputs, data=data)


def logs(site: Site, name: str, *, revision: int | None = None, tail: int = 100) -> tuple[str, ...]:
    """The last lines of a revision's model server, newest last; None: the one applied last."""
    tool = view(site, name).ledger.serving_tool
    return site.backend(tool).logs(name, revision=revision, tail=tail)


def history(site: Site, name: str) -> list[LedgerEntry]:
    """Every entry of the deployment's ledger, oldest first."""
    view(site, name)
    return site.ledger(name).history()


def _stopped(state: LedgerState) -> Change | None:
    if state.stopped and state.candidate is None:
        return None
    number = state.newest.number if state.newest else None
    return Change(Event.STOPPED, state.model_copy(update={"stopped": True, "candidate": None}), number)
