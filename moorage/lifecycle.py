"""What is done to a deployment that exists: look, start, stop, delete, ask."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from moorage.components import ApiProtocol, Component
from moorage.deploying import take_online
from moorage.deployment import Revision, State
from moorage.errors import CallerError, InferenceFailed, IntegrityError, NotFound, PlatformError
from moorage.inference.client import Answer, InferenceClient
from moorage.inference.dialect import dialect_of
from moorage.inference.tensors import InferInput
from moorage.ledger import Change, Event, LedgerEntry, LedgerState, deployments_in
from moorage.names import check_deployment_name
from moorage.pinning import pin_what_may_run, pins_by_model, put_pins_right
from moorage.predictor import ModelServer, ServingTool
from moorage.readiness import POLL_S, wait
from moorage.serving.base import Backend, Observation, SpeaksGrpc
from moorage.site import Site

if TYPE_CHECKING:
    from moorage.inference.grpc_client import InferAnswer

log = logging.getLogger(__name__)

# Longer than a supervisor, or a pod's grace period, gives servers to finish.
STOP_S: Final = 90
START_S: Final = 600


@dataclass(frozen=True)
class DeploymentView:
    """One deployment: what was decided (the ledger) and what is (the serving tool).

    Attributes:
        unreadable: why its ledger cannot be read; empty while it can.
    """

    name: str
    ledger: LedgerState
    seen: Observation
    unreadable: str = ""

    @property
    def revision(self) -> Revision | None:
        """The revision that answers, else the one that should."""
        for revision in (self.ledger.live, self.ledger.candidate):
            if revision is not None and revision.number == self.seen.serving:
                return revision
        return self.ledger.newest

    @property
    def asked_at(self) -> str | None:
        """The URL that most requests are posted to; None while nothing listens."""
        if self.seen.endpoint is None:
            return None
        server = ModelServer.PYTHON if self.revision is None else self.revision.model_server
        return self.seen.endpoint + dialect_of(server).usual_path(self.name)


def deployments(site: Site) -> list[DeploymentView]:
    """Every deployment of the project, by name; also those whose ledger cannot be read."""
    return [_view_of_any(site, name) for name in deployments_in(site.store, site.settings.project)]


def deployments_of(site: Site, model: str, version: int) -> list[DeploymentView]:
    """The deployments with a revision of this model version that is live or in flight; and those nobody can tell of."""
    return [
        view
        for view in deployments(site)
        if view.unreadable
        or any(
            revision is not None and (revision.model.name, revision.model.version) == (model, version)
            for revision in (view.ledger.live, view.ledger.candidate)
        )
    ]


def view(site: Site, name: str) -> DeploymentView:
    """One deployment. Raises NotFound, naming those that there are."""
    state = _existing(site, name)
    return DeploymentView(name, state, site.backend(state.serving_tool).observe(name))


def revision_of(site: Site, found: DeploymentView) -> Revision | None:
    """The revision that answers, else the one that should; where none was ever proven, the last that was tried."""
    if found.revision is not None or found.unreadable or found.ledger.deleted:
        return found.revision
    tried = (entry.state.candidate for entry in reversed(history(site, found.name)))
    return next((revision for revision in tried if revision is not None), None)


def start(
    site: Site, name: str, *, timeout_s: float = START_S, on_stage: Callable[[str], None] = lambda _: None
) -> Observation:
    """Starts the last good revision, or mends one whose supervisor is gone; waits until it answers.

    One that was made without a start, or was left in flight, is deployed: proven and promoted, or taken back.

    Args:
        timeout_s: until it must answer; one that is deployed has its own time.
        on_stage: told each time the revision does something new, in words for people.

    Raises:
        NotFound: no such deployment, none of its revisions was ever proven, or its model version was deleted.
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
    if found.ledger.candidate is not None:
        take_online(site, revision, reason="started", on_stage=on_stage)
        return site.backend(revision.serving_tool).observe(name)
    site.ledger(name).record(
        lambda state: Change(Event.STARTED, state.model_copy(update={"stopped": False}), revision.number)
    )
    pin_what_may_run(site, name, found.ledger)
    site.backend(revision.serving_tool).apply(revision)
    return wait(site, revision, timeout_s=timeout_s, on_stage=on_stage)


def stop(site: Site, name: str, *, timeout_s: float = STOP_S) -> Observation:
    """Stops the deployment and waits until no process and no listener is left; one that is stopped stays so.

    What runs is stopped first, the ledger told after: neither a full disk nor an unreadable ledger keeps it running.

    Raises:
        CallerError: somebody started it again meanwhile.
        PlatformError: it did not stop in time; or it did, and that could not be written to the ledger.
    """
    backend = site.backend(_serving_tool(site, name))
    backend.stop(name)
    unwritten = _enter_stopped(site, name)
    seen = _until_stopped(site, backend, name, timeout_s, entered=unwritten is None)
    if unwritten is not None:
        raise PlatformError(
            f"Deployment {name!r} is stopped, but its ledger could not be told: {unwritten.what}",
            unwritten.expected,
            unwritten.mend or "Stop it again once the store takes entries.",
        ) from unwritten
    log.info("deployment %s: stopped", name)
    return seen


def delete(site: Site, name: str, *, reason: str = "") -> None:
    """Stops the deployment and removes what its serving tool keeps of it; the history stays.

    What it left at another tool, where it ran before, is removed too, with a warning where it does not answer.

    Args:
        reason: why, for the history.

    Raises:
        PlatformError: something of it is still there after a while, and what holds it.
    """
    found = view(site, name)
    stop(site, name)
    tool = found.ledger.serving_tool
    _remove(site.backend(tool), name)
    for other in sorted({entry.state.serving_tool for entry in site.ledger(name).history()} - {tool}):
        _remove_elsewhere(site, other, name)
    site.ledger(name).record(
        lambda state: Change(
            Event.DELETED,
            LedgerState(last_number=state.last_number, quarantine=state.quarantine, deleted=True),
            reason=reason,
        )
    )
    named = [revision for revision in (found.ledger.live, found.ledger.candidate) if revision]
    put_pins_right(site, name, pins_by_model(named))
    log.info("deployment %s: deleted", name)


def predict(
    site: Site, name: str, *, inputs: Any = None, data: dict[str, Any] | None = None, timeout_s: float = 60
) -> Answer:
    """Asks a running deployment.

    Raises:
        InferenceFailed: it is not running, or answers an error.
        CallerError: it is an LLM's, which is asked otherwise.
    """
    state = _existing(site, name)
    if state.newest is not None and state.newest.model_server is ModelServer.VLLM:
        raise CallerError(
            f"Deployment {name!r} is served by VLLM, which does not predict.",
            "It completes texts and chats, as OpenAI's API says.",
            "Ask it with an OpenAI client, at the URL of deployment.get_openai_url().",
        )
    with site.backend(state.serving_tool).reach(name) as address:
        if address is None:
            raise InferenceFailed(
                f"Deployment {name!r} is not running.", mend=f"Run `moorage deployment start {name}`."
            )
        with InferenceClient(address.url, name, timeout_s=timeout_s, host=address.host) as client:
            return client.predict(inputs=inputs, data=data)


def infer(site: Site, name: str, tensors: Sequence[InferInput], *, timeout_s: float = 60) -> InferAnswer:
    """Asks a running deployment by gRPC.

    Raises:
        InferenceFailed: it is not running, or answers an error.
        CallerError: it does not speak gRPC, or what does is not installed.
    """
    state = _existing(site, name)
    backend = site.backend(state.serving_tool)
    speaks = state.newest is not None and state.newest.api_protocol is ApiProtocol.GRPC
    if not speaks or not isinstance(backend, SpeaksGrpc):
        raise CallerError(
            f"Deployment {name!r} speaks REST, and was asked with tensors.",
            "Tensors are sent by gRPC.",
            "Ask it with inputs=[[…]], or set api_protocol to GRPC.",
        )
    try:
        # imported here: whoever asks by REST needs no gRPC
        from moorage.inference.grpc_client import infer as ask
    except ModuleNotFoundError as exc:
        raise CallerError(
            f"Deployment {name!r} cannot be asked: {exc.name} is not installed.", "", "pip install 'moorage[grpc]'."
        ) from exc
    with backend.reach_grpc(name) as address:
        if address is None:
            raise InferenceFailed(
                f"Deployment {name!r} is not running.", mend=f"Run `moorage deployment start {name}`."
            )
        return ask(address, name, tensors, timeout_s=timeout_s)


def logs(
    site: Site,
    name: str,
    *,
    revision: int | None = None,
    component: Component = Component.PREDICTOR,
    tail: int = 100,
) -> tuple[str, ...]:
    """The last lines of a revision's model server, newest last; None: the one applied last."""
    tool = view(site, name).ledger.serving_tool
    return site.backend(tool).logs(name, revision=revision, component=component, tail=tail)


def history(site: Site, name: str) -> list[LedgerEntry]:
    """Every entry of the deployment's ledger, oldest first; also of one that was deleted."""
    _existing(site, name, or_deleted=True)
    return site.ledger(name).history()


def _existing(site: Site, name: str, *, or_deleted: bool = False) -> LedgerState:
    state = site.ledger(check_deployment_name(name)).state()
    if state.last_number == 0 or (state.deleted and not or_deleted):
        there = ", ".join(deployments_in(site.store, site.settings.project)) or "none yet"
        raise NotFound(
            f"There is no deployment {name!r} in project {site.settings.project!r}.", f"Deployments: {there}."
        )
    return state


def _view_of_any(site: Site, name: str) -> DeploymentView:
    try:
        return view(site, name)
    except IntegrityError as error:
        return DeploymentView(name, LedgerState(), Observation(State.CREATED), unreadable=str(error))


def _serving_tool(site: Site, name: str) -> ServingTool:
    try:
        return _existing(site, name).serving_tool
    except PlatformError as error:
        log.warning("deployment %s: stopped on this machine by its name: %s", name, error)
        return ServingTool.LOCAL


def _enter_stopped(site: Site, name: str) -> PlatformError | None:
    """Tells the ledger; returns why it could not be told."""
    try:
        site.ledger(name).record(_stopped)
    except PlatformError as error:
        return error
    return None


def _until_stopped(site: Site, backend: Backend, name: str, timeout_s: float, *, entered: bool) -> Observation:
    deadline = time.monotonic() + timeout_s
    while (seen := backend.observe(name)).state not in (State.STOPPED, State.CREATED):
        if seen.state is not State.STOPPING:
            if entered:
                _refuse_started(site, name)
            # A deploy that had not read the ledger yet applied it once more.
            backend.stop(name)
        if time.monotonic() >= deadline:
            raise PlatformError(
                f"Deployment {name!r} did not stop within {timeout_s:g} s; seen last: {seen.stage or seen.state}.",
                mend=f"It stops as soon as it can; see `moorage deployment status {name}`.",
            )
        time.sleep(POLL_S)
    return seen


def _remove_elsewhere(site: Site, tool: ServingTool, name: str) -> None:
    try:
        backend = site.backend(tool)
        backend.stop(name)
        _until_stopped(site, backend, name, STOP_S, entered=False)
        _remove(backend, name)
    except PlatformError as error:
        log.warning("deployment %s: what it left at %s stays there: %s", name, tool, error)


def _remove(backend: Backend, name: str) -> None:
    backend.delete(name)
    _until_gone(backend, name)


def _until_gone(backend: Backend, name: str) -> None:
    deadline = time.monotonic() + STOP_S
    while (seen := backend.observe(name)).state is not State.CREATED:
        if time.monotonic() >= deadline:
            raise PlatformError(
                f"Deployment {name!r} is not gone after {STOP_S} s: {seen.stage or seen.state}.",
                "What was deleted goes as soon as nothing holds it.",
                "See whether the serving tool's controller runs, and delete it again.",
            )
        time.sleep(POLL_S)


def _refuse_started(site: Site, name: str) -> None:
    newest = site.ledger(name).newest()
    if newest is not None and not newest.state.stopped and not newest.state.deleted:
        raise CallerError(
            f"Deployment {name!r} was started again by {newest.actor or 'somebody'} meanwhile.",
            mend=f"See `moorage deployment history {name}`, and stop it again if it is to be stopped.",
        )


def _stopped(state: LedgerState) -> Change | None:
    if state.stopped:
        return None
    number = state.newest.number if state.newest else None
    return Change(Event.STOPPED, state.model_copy(update={"stopped": True, "candidate": None}), number)
