"""The verbs that take a revision online: propose, apply, wait, prove, promote, and restore when that fails.

Tasks and client both call these. Each can be called again after it was cut off at any point: the ledger says how far
the revision came, and every effect is idempotent.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from moorage import canary
from moorage.deployment import OnFailure, Revision
from moorage.errors import (
    BackendRefused,
    CallerError,
    InferenceFailed,
    ProvisionFailed,
    Quarantined,
    Superseded,
)
from moorage.inference.smoke import Proof, smoke_test
from moorage.ledger import Change, Event, Failure, LedgerState, Quarantine
from moorage.pinning import pin_what_may_run, put_pins_right
from moorage.readiness import check_newest, watch
from moorage.readiness import wait as wait
from moorage.serving.base import Observation
from moorage.serving.verdict import Verdict
from moorage.site import Site
from moorage.startup import Cause

log = logging.getLogger(__name__)

# What the last good revision gets to answer again when it no longer did.
RESTORE_S: Final = 120


class ProposalKind(StrEnum):
    """What a proposal found."""

    NEW = "NEW"
    ADOPTED = "ADOPTED"
    REAPPLIED = "REAPPLIED"
    UNCHANGED = "UNCHANGED"


@dataclass(frozen=True)
class Proposal:
    """A revision to take online. ADOPTED: it was in flight; REAPPLIED: it was live; UNCHANGED: nothing to do.

    Attributes:
        replaces: number of the revision that is live meanwhile, if any.
        supersedes: the revision that was in flight before it, if any.
        endpoint: where an UNCHANGED one answers.
    """

    revision: Revision
    kind: ProposalKind
    replaces: int | None = None
    endpoint: str | None = None
    supersedes: Revision | None = None

    @property
    def nothing_to_do(self) -> bool:
        return self.kind is ProposalKind.UNCHANGED


@dataclass(frozen=True)
class Restored:
    """What was done about a revision that failed; `revision` is what serves now, None when nothing does."""

    revision: int | None
    verdict: Verdict
    kept: bool = False


def provision(site: Site, draft: Revision, *, reason: str = "", retry_quarantined: bool = False) -> Proposal:
    """Proposes a revision in the ledger and applies it; one that is live and answers is left alone.

    Args:
        draft: the resolved specification; its number is not looked at, the ledger gives it one.
        reason: why, for the history.
        retry_quarantined: try again what failed before.

    Raises:
        Quarantined: this very revision failed before.
        NotFound: its model version was deleted.
        ProvisionFailed: something stands in its way; nothing was proposed.
        LogUnavailable, LogRefused: the topic that it logs to cannot be made; likewise.
    """
    backend = site.backend(draft.serving_tool)
    _finish_restore(site, draft.deployment)
    site.registry.references(draft.model.name).check_exists(draft.model.version)
    seen = backend.observe(draft.deployment)
    if not _is_unchanged(site.ledger(draft.deployment).state(), draft, seen):
        _refuse_obstacles(site, draft, backend.plan(draft).obstacles)
        if (topic := draft.log_topic) is not None:
            site.topics.make_ready(topic, draft.serving_tool)
    proposal = propose(site, draft, seen, reason=reason, retry_quarantined=retry_quarantined)
    if proposal.nothing_to_do:
        put_pins_right(site, draft.deployment, [draft.model.name])
        return proposal
    try:
        apply(site, proposal.revision)
    except BaseException as error:
        # What may go away by itself costs no revision: the next attempt adopts the one in flight.
        if not getattr(error, "transient", False):
            restore(site, proposal.revision, verdict_of(error))
        raise
    if proposal.supersedes:
        put_pins_right(site, draft.deployment, [proposal.supersedes.model.name])
    return proposal


def create(site: Site, draft: Revision, *, reason: str = "") -> Revision:
    """Enters a revision into the ledger that nobody starts yet: deploying just that, or a start, takes it online.

    Raises:
        CallerError: something of the deployment is live, or in flight.
        NotFound: the model version was deleted.
    """
    made: list[Revision] = []

    def decide(state: LedgerState) -> Change | None:
        revision, change = decide_creation(state, draft, reason=reason)
        made.append(revision)
        return change

    site.registry.references(draft.model.name).check_exists(draft.model.version)
    state = site.ledger(draft.deployment).record(decide)
    pin_what_may_run(site, draft.deployment, state)
    return made[-1]


def decide_creation(state: LedgerState, draft: Revision, *, reason: str) -> tuple[Revision, Change | None]:
    """What becomes of a draft that is not to be started, given the ledger (pure). Raises CallerError."""
    if state.live is not None or (state.candidate is not None and not state.stopped):
        number = (state.live or draft).number
        raise CallerError(
            f"Deployment {draft.deployment!r} has a revision that is live or in flight.",
            "Only a new one is made without a start.",
            f"Save it with a start: it takes the place of revision {number} once it is proven.",
        )
    if state.candidate is not None and state.candidate.digest == draft.digest:
        return state.candidate, None
    revision = draft.model_copy(update={"number": state.last_number + 1})
    after = LedgerState(
        last_number=revision.number,
        candidate=revision,
        serving_tool=revision.serving_tool,
        quarantine=state.quarantine,
        stopped=True,
    )
    return revision, Change(Event.CREATED, after, revision.number, reason)


def propose(
    site: Site, draft: Revision, seen: Observation, *, reason: str = "", retry_quarantined: bool = False
) -> Proposal:
    """Enters the revision into the ledger as the one in flight; one that was in flight is superseded by it."""
    proposals: list[Proposal] = []

    def decide(state: LedgerState) -> Change | None:
        proposal, change = decide_proposal(state, draft, seen, reason=reason, retry_quarantined=retry_quarantined)
        proposals.append(proposal)
        return change

    site.ledger(draft.deployment).record(decide)
    proposal = proposals[-1]
    log.info("deployment %s: revision %d is %s", draft.deployment, proposal.revision.number, proposal.kind.lower())
    return proposal


def decide_proposal(
    state: LedgerState, draft: Revision, seen: Observation, *, reason: str, retry_quarantined: bool
) -> tuple[Proposal, Change | None]:
    """What becomes of a draft, given the ledger and what runs (pure). Raises Quarantined."""
    live, candidate = state.live, state.candidate
    replaces = live.number if live else None
    if candidate is not None and candidate.digest == draft.digest:
        if state.stopped:  # it was made without a start
            started = state.model_copy(update={"stopped": False})
            return Proposal(candidate, ProposalKind.NEW), Change(Event.PROPOSED, started, candidate.number, reason)
        change = Change(Event.ADOPTED, state, candidate.number, reason or "adopted: it was in flight")
        return Proposal(candidate, ProposalKind.ADOPTED, replaces), change
    if live is not None and live.digest == draft.digest:
        if _is_unchanged(state, draft, seen):
            return Proposal(live, ProposalKind.UNCHANGED, endpoint=seen.endpoint), None
        again = state.model_copy(update={"candidate": live, "stopped": False, "deleted": False})
        change = Change(Event.PROPOSED, again, live.number, reason or "applied again")
        return Proposal(live, ProposalKind.REAPPLIED), change
    quarantine = dict(state.quarantine)
    failed = quarantine.get(draft.digest)
    if failed is not None and not retry_quarantined:
        raise _quarantined(draft, failed)
    quarantine.pop(draft.digest, None)
    revision = draft.model_copy(update={"number": state.last_number + 1})
    after = LedgerState(
        last_number=revision.number,
        live=live,
        candidate=revision,
        serving_tool=revision.serving_tool,
        quarantine=quarantine,
        last_failure=state.last_failure,
    )
    superseded = f"supersedes revision {candidate.number}" if candidate else ""
    change = Change(Event.PROPOSED, after, revision.number, "; ".join(filter(None, (reason, superseded))))
    return Proposal(revision, ProposalKind.NEW, replaces, supersedes=candidate), change


def apply(site: Site, revision: Revision) -> None:
    """Makes the revision in flight the wanted one, at its serving tool. Raises Superseded when a newer one is."""
    ledger = site.ledger(revision.deployment)
    state = ledger.state()
    check_newest(state, revision)
    pin_what_may_run(site, revision.deployment, state)
    canary.apply_at_tool(site, revision, state)
    ledger.record(lambda state: _noted(state, revision, Event.APPLIED))
    log.info("deployment %s: revision %d applied", revision.deployment, revision.number)


def prove(site: Site, revision: Revision) -> Proof:
    """Asks the smoke requests over HTTP and asserts that the answers come from this revision and its very files.

    One that gets a share of the requests is watched with it for `canary_s` and then asked once more.

    Raises:
        ProvisionFailed: an answer is wrong, or none came.
        NotReadyInTime, Superseded: as `wait` does, while it is watched.
    """
    proof = _ask(site, revision)
    if watch(site, revision):
        proof = _ask(site, revision)
    site.ledger(revision.deployment).record(lambda state: _noted(state, revision, Event.PROVEN))
    log.info("deployment %s: revision %d proven by %d requests", revision.deployment, revision.number, proof.requests)
    return proof


def promote(site: Site, revision: Revision) -> None:
    """Makes the proven revision the live one: what is restored to from now on. Promoting twice is promoting once.

    Raises:
        Superseded: it is no longer the newest.
        ProvisionFailed, NotReadyInTime: it had a share of the requests, and could not take the others.
    """
    _take_all(site, revision)
    models, replaced = {revision.model.name}, site.ledger(revision.deployment).state().live

    def decide(state: LedgerState) -> Change | None:
        if state.live is not None:
            models.add(state.live.model.name)
        if state.candidate is None and state.live is not None and state.live.number == revision.number:
            return None
        check_newest(state, revision)
        after = state.model_copy(update={"live": revision, "candidate": None, "last_failure": None})
        return Change(Event.PROMOTED, after, revision.number)

    site.ledger(revision.deployment).record(decide)
    if replaced is not None and replaced.serving_tool is not revision.serving_tool:
        # it answered until now, at a tool of its own
        site.backend(replaced.serving_tool).stop(revision.deployment)
    put_pins_right(site, revision.deployment, models)
    log.info("deployment %s: revision %d is live", revision.deployment, revision.number)


def restore(site: Site, revision: Revision, verdict: Verdict) -> Restored | None:
    """Takes back a revision that could not be proven and applies the last good one again.

    The failed one is quarantined when the failure is its own; Ctrl-C, say, tells nothing about it. Called again after
    it failed half-way, it goes on with the verdict that the ledger has. None: the deployment was proposed anew or
    stopped meanwhile, and what happens now is decided there.
    """
    ledger = site.ledger(revision.deployment)
    state = ledger.record(lambda state: decide_failure(state, revision, verdict) if _flies(state, revision) else None)
    newest = ledger.newest()
    if newest is None or newest.event is not Event.FAILED or newest.revision != revision.number:
        return None
    verdict = newest.verdict or verdict
    log.warning("deployment %s: revision %d failed: %s", revision.deployment, revision.number, verdict.cause)
    if revision.rollout.on_failure is OnFailure.KEEP:
        return Restored(None, verdict, kept=True)
    try:
        return Restored(_apply_last_good(site, revision, state.live, verdict), verdict)
    except Superseded:
        return None


def decide_failure(state: LedgerState, revision: Revision, verdict: Verdict) -> Change:
    """What the ledger says after the revision in flight failed (pure)."""
    quarantine = dict(state.quarantine)
    was_live = state.live is not None and state.live.digest == revision.digest
    if verdict.is_its_own_fault and not was_live:
        quarantine[revision.digest] = Quarantine(revision=revision.number, verdict=verdict.to_dict())
    failure = Failure(revision=revision.number, verdict=verdict.to_dict())
    after = state.model_copy(update={"candidate": None, "quarantine": quarantine, "last_failure": failure})
    return Change(Event.FAILED, after, revision.number, verdict=verdict)


def verdict_of(error: BaseException) -> Verdict:
    """The verdict that an error carries, or the one that stands for it."""
    if isinstance(error, ProvisionFailed):
        return error.verdict
    if isinstance(error, BackendRefused):
        return Verdict.of_error(error)
    if not isinstance(error, Exception):
        return Verdict(
            Cause.INTERRUPTED, f"The deploy was interrupted ({type(error).__name__}).", mend="Run it again to go on."
        )
    return Verdict(Cause.INTERNAL, f"{type(error).__name__}: {error}")


def _ask(site: Site, revision: Revision) -> Proof:
    try:
        with canary.reach_newest(site, revision) as address:
            if address is None:
                raise InferenceFailed("Nothing listens any more.")
            return smoke_test(address.url, revision, host=address.host)
    except InferenceFailed as exc:
        raise ProvisionFailed(revision.deployment, revision.number, Verdict.of_error(exc)) from exc


def _take_all(site: Site, revision: Revision) -> None:
    """Before the ledger says so: a run that is cut off in between finds the revision still in flight, and goes on."""
    if canary.has_a_share(site, revision):
        check_newest(site.ledger(revision.deployment).state(), revision)
        canary.give_all(site, revision)
        wait(site, revision, share_is_enough=False)


def _finish_restore(site: Site, deployment: str) -> None:
    """Applies the last good revision when a run was killed between giving up the failed one and doing so."""
    state = site.ledger(deployment).state()
    if state.candidate is not None or state.live is None or state.stopped or state.deleted:
        return
    backend = site.backend(state.live.serving_tool)
    seen = backend.observe(deployment)
    if seen.shares(state.live.number):
        canary.give_all(site, state.live)
    elif seen.applied != state.live.number:
        log.warning("deployment %s: revision %d is applied again", deployment, state.live.number)
        backend.apply(state.live)


def _apply_last_good(site: Site, failed: Revision, good: Revision | None, verdict: Verdict) -> int | None:
    if good is None or good.serving_tool is not failed.serving_tool:
        site.backend(failed.serving_tool).stop(failed.deployment)
    if good is None:
        number, reason = None, "nothing was live before: stopped"
    else:
        # what the tool never took need not be taken back: it may be the tool that refuses
        if not site.backend(good.serving_tool).observe(good.deployment).serves(good.number):
            site.backend(good.serving_tool).apply(good)
        wait(site, good, timeout_s=RESTORE_S)
        canary.give_all(site, good)
        number, reason = good.number, f"{verdict.cause} in revision {failed.number}"
    site.ledger(failed.deployment).record(lambda state: Change(Event.RESTORED, state, number, reason))
    put_pins_right(site, failed.deployment, [failed.model.name])
    serving = "nothing serves" if number is None else f"revision {number} serves on"
    log.info("deployment %s: %s", failed.deployment, serving)
    return number


def _is_unchanged(state: LedgerState, draft: Revision, seen: Observation) -> bool:
    """Whether the draft is what is live and answers, so that there is nothing to do."""
    live = state.live
    alone = state.candidate is None and not state.stopped
    return live is not None and alone and live.digest == draft.digest and seen.serves(live.number)


def _flies(state: LedgerState, revision: Revision) -> bool:
    return state.candidate is not None and state.candidate.number == revision.number


def _noted(state: LedgerState, revision: Revision, event: Event) -> Change | None:
    """An entry that changes nothing but tells; none for a revision that is no longer the one in flight."""
    return Change(event, state, revision.number) if _flies(state, revision) else None


def _refuse_obstacles(site: Site, draft: Revision, obstacles: tuple[Verdict, ...]) -> None:
    if obstacles:
        number = site.ledger(draft.deployment).state().last_number + 1
        raise ProvisionFailed(draft.deployment, number, obstacles[0])


def _quarantined(draft: Revision, failed: Quarantine) -> Quarantined:
    verdict = Verdict.from_dict(failed.verdict)
    return Quarantined(
        f"Deployment {draft.deployment!r}: just this failed before, as revision {failed.revision}: {verdict}",
        "It is not tried again until model, script, environment or requests change.",
        "Change one of them, or insist with --retry-quarantined (retry_quarantined in the form).",
    )
