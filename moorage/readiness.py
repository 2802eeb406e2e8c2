"""Until a new revision answers users' requests, or cannot: one look after another, each decided on by what it shows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from moorage import canary
from moorage.deployment import Revision, State
from moorage.errors import BackendUnavailable, NotReadyInTime, ProvisionFailed, Superseded
from moorage.ledger import LedgerState
from moorage.serving.base import Observation, TellsChanges
from moorage.serving.verdict import Verdict
from moorage.site import Site
from moorage.startup import Cause

log = logging.getLogger(__name__)

POLL_S: Final = 0.1
# How often a supervisor that is gone is answered by applying again, in one wait.
_MENDS: Final = 3


def wait(
    site: Site,
    revision: Revision,
    *,
    on_stage: Callable[[str], None] = lambda _: None,
    timeout_s: float | None = None,
    share_is_enough: bool = True,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Observation:
    """Watches until the revision answers users' requests, or its share of them; a verdict ends it early.

    Whoever finds another revision applied, and is still the newest, applies again: two runs cannot fight.

    Args:
        on_stage: told each time the revision does something new, in words for people.
        timeout_s: None for the revision's own `ready_timeout_s`.
        share_is_enough: whether it may get some requests and another revision the others.

    Raises:
        ProvisionFailed: it cannot serve, and why.
        NotReadyInTime: the deadline passed; the verdict holds what was seen last.
        Superseded: a newer revision is in flight, or the deployment was stopped or deleted.
    """
    deadline = now() + (revision.rollout.ready_timeout_s if timeout_s is None else timeout_s)
    told = ""
    with _pauses(site, revision, sleep) as pause:
        for seen in _looks(site, revision):
            if seen.serves(revision.number) or (share_is_enough and seen.shares(revision.number)):
                what = "answers" if seen.serves(revision.number) else "answers its share"
                log.info("deployment %s: revision %d %s", revision.deployment, revision.number, what)
                return seen
            if seen.stage != told:
                on_stage(seen.stage)
                told = seen.stage
            if now() >= deadline:
                raise NotReadyInTime(revision.deployment, revision.number, _out_of_time(site, revision, seen))
            pause()
    raise AssertionError("unreachable: looking ends when it serves, or raises")


def watch(
    site: Site,
    revision: Revision,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Watches a revision that gets a share of the requests for as long as it is on trial; a verdict ends it early.

    Returns:
        Whether it was on trial; False, at once, for one that gets all requests.

    Raises:
        ProvisionFailed: it cannot serve any more, and why.
        NotReadyInTime: it did not answer any more when its time was over, nor for `ready_timeout_s` after that.
        Superseded: as `wait` does.
    """
    if revision.rollout.canary_percent is None:
        return False
    over = now() + revision.rollout.canary_s
    with _pauses(site, revision, sleep) as pause:
        for seen in _looks(site, revision):
            if seen.serves(revision.number):
                return False
            if now() >= over and seen.shares(revision.number):
                return True
            if now() >= over + revision.rollout.ready_timeout_s:
                raise NotReadyInTime(revision.deployment, revision.number, _out_of_time(site, revision, seen))
            pause()
    raise AssertionError("unreachable: looking ends when its time is over, or raises")


def check_newest(state: LedgerState, revision: Revision) -> None:
    """Raises Superseded unless this revision is the one that is wanted now."""
    if state.stopped:
        now = "it was stopped"
    elif state.newest is None:
        now = "it was deleted" if state.deleted else "no revision is wanted"
    elif state.newest.number != revision.number:
        now = f"revision {state.newest.number} is wanted now"
    else:
        return
    raise Superseded(revision.deployment, revision.number, now)


@contextmanager
def _pauses(site: Site, revision: Revision, sleep: Callable[[float], None]) -> Iterator[Callable[[], None]]:
    """What to wait with between two looks: for the serving tool to tell of a change, or for a moment."""
    backend = site.backend(revision.serving_tool)
    if isinstance(backend, TellsChanges):
        with backend.changes(revision.deployment) as pause:
            yield pause
    else:
        yield lambda: sleep(POLL_S)


def _looks(site: Site, revision: Revision) -> Iterator[Observation]:
    """One look after another, until one shows that the revision serves; that is the last."""
    backend, mended = site.backend(revision.serving_tool), 0
    while True:
        try:
            seen = backend.observe(revision.deployment)
            if not seen.serves(revision.number):
                gone = seen.verdict is not None and seen.verdict.cause is Cause.SUPERVISOR_GONE
                _step(site, revision, seen, mend=gone and mended < _MENDS)
                mended += gone
        except BackendUnavailable as exc:
            stage = f"waiting for the serving tool: {exc}"
            seen = Observation(State.STARTING, stage=stage, awaits=Cause.API_UNREACHABLE)
        yield seen


def _step(site: Site, revision: Revision, seen: Observation, *, mend: bool) -> None:
    """What a look that did not show it serving asks for; `mend`: a verdict is answered by applying again."""
    halted = seen.state in (State.STOPPED, State.STOPPING, State.CREATED)
    if seen.applied == revision.number and not (mend or halted):
        if seen.verdict is not None:
            raise ProvisionFailed(revision.deployment, revision.number, seen.verdict)
        return
    state = site.ledger(revision.deployment).state()
    check_newest(state, revision)
    if seen.state is State.STOPPING:
        return  # who stops it has not said so in the ledger yet
    log.info("deployment %s: revision %s found, %d applied again", revision.deployment, seen.applied, revision.number)
    canary.apply_at_tool(site, revision, state)


def _out_of_time(site: Site, revision: Revision, seen: Observation) -> Verdict:
    lines: tuple[str, ...] = ()
    with suppress(BackendUnavailable):
        lines = site.backend(revision.serving_tool).logs(revision.deployment, revision=revision.number, tail=5)
    return Verdict(
        seen.awaits or Cause.NOT_READY_IN_TIME,
        f"It did not answer within {revision.rollout.ready_timeout_s:g} s; seen last: {seen.stage or 'nothing'}.",
        mend=f"Read `moorage deployment logs {revision.deployment}`, or raise rollout.ready_timeout_s.",
        evidence=lines,
    )
