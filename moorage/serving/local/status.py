"""From what backend and supervisor wrote down to an observation (pure)."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from moorage.deployment import State
from moorage.serving.base import Observation
from moorage.serving.conditions import Step
from moorage.serving.local.folder import SupervisorStatus, Wanted
from moorage.serving.verdict import Verdict
from moorage.startup import Cause

_STAGES = {
    "": "starting",
    "FETCHING": "fetching and verifying files",
    "LOADING": "loading the predictor script",
    "PROVING": "answering the smoke requests",
    "READY": "taking over",
    "DRAINING": "finishing the requests in flight",
    "FAILED": "giving up",
}
_STEPS = {"LOADING": Step.STARTED, "PROVING": Step.STARTED, "READY": Step.READY}


def read_status(
    deployment: str, wanted: Wanted | None, status: SupervisorStatus | None, *, supervised: bool, alive: Set[int]
) -> Observation:
    """How the deployment stands.

    Args:
        deployment: its name, for the way out that a verdict names.
        wanted: what was asked for last; None when nothing ever was.
        status: the supervisor's last words; None before its first.
        supervised: whether a supervisor lives.
        alive: ids of those processes in `status` that live.
    """
    if wanted is None:
        return Observation(State.CREATED, stage="never started")
    server = status.serving if status and status.serving and status.serving.pid in alive else None
    serving = server.revision if server else None
    seen = _Seen(
        applied=wanted.revision,
        serving=serving,
        endpoint=url_of(status.host, status.port) if status and status.port and (supervised or serving) else None,
        processes=(str(server.pid),) if server else (),
        restarts=status.restarts if status else 0,
    )
    if not wanted.run:
        return _observed(seen, *_while_stopping(supervised or bool(alive)))
    if not supervised:
        return _observed(seen, *_without_supervisor(deployment, serving))
    if status is None or status.token != wanted.token:
        return _observed(
            seen, State.UPDATING if serving else State.STARTING, "handing over to the supervisor", step=Step.SCHEDULED
        )
    if server is not None and server.identity == wanted.identity:
        return _observed(seen, State.RUNNING, "answering")
    if status.failure is not None:
        verdict = Verdict.of_failure(status.failure)
        return _observed(seen, State.RUNNING if serving else State.FAILED, "failed", verdict)
    stage = "; ".join(filter(None, (_STAGES.get(status.stage, status.stage), status.crash)))
    step = _STEPS.get(status.stage, Step.INITIALIZED)
    return _observed(seen, State.UPDATING if serving else State.STARTING, stage, step=step)


def url_of(host: str, port: int) -> str:
    """The base URL that reaches a listener from this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 -- read, not bound
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


_Seen = dict[str, Any]


def _observed(
    seen: _Seen, state: State, stage: str, verdict: Verdict | None = None, step: Step | None = None
) -> Observation:
    return Observation(state=state, stage=stage, verdict=verdict, step=step, **seen)


def _while_stopping(something_lives: bool) -> tuple[State, str]:
    if something_lives:
        return State.STOPPING, "finishing the requests in flight"
    return State.STOPPED, "stopped"


def _without_supervisor(deployment: str, serving: int | None) -> tuple[State, str, Verdict]:
    answers = "its model server still answers, but nothing would restart it" if serving else "nothing answers"
    verdict = Verdict(
        cause=Cause.SUPERVISOR_GONE,
        summary=f"The supervisor of deployment {deployment!r} is gone; {answers}.",
        expected="One supervisor runs for each started deployment.",
        mend=f"Run `moorage deployment start {deployment}`.",
    )
    return (State.RUNNING if serving else State.FAILED), "unsupervised", verdict
