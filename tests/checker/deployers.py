"""Deployments in the model: deploys, deletions and garbage collection of a project, over one scheduled store."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from moorage import lifecycle, rollout
from moorage.deployment import ResolvedArtifact, Revision, SmokeRequest
from moorage.errors import MoorageError
from moorage.ledger import Change, Event, LedgerState
from moorage.pinning import pins_by_model
from moorage.registry.references import References
from moorage.registry.registry import Registry
from moorage.retention import collect_garbage
from moorage.serving.verdict import Verdict
from moorage.settings import Settings
from moorage.startup import Cause
from moorage.store.base import ObjectStore
from tests.checker.memory import MemoryStore
from tests.checker.witness import KEYS, MODEL, PROJECT, check
from tests.scripted_backend import ScriptedBackend, ScriptedSite
from tests.values import a_model, a_revision

DEPLOYMENT = "fraud"
LEDGER = f"Projects/{PROJECT}/Ledger/{DEPLOYMENT}/"
RETENTION = "only the newest"
FAILED = Verdict(Cause.NOT_READY_IN_TIME, "it did not answer")


class AppliedLog(ScriptedBackend):
    """Remembers every revision that was ever applied, also of a deployment that was deleted since."""

    ever: frozenset[int] = frozenset()

    def apply(self, revision: Revision) -> None:
        super().apply(revision)
        self.ever |= {revision.number}


@dataclass(frozen=True)
class ScheduledSite(ScriptedSite):
    """A site whose store is one process's view of the store of the model; its clock and its sleep are of no account."""

    process_store: ObjectStore = field(default_factory=MemoryStore)
    opened: Registry | None = None

    @property
    def store(self) -> ObjectStore:
        return self.process_store

    @property
    def registry(self) -> Registry:
        assert self.opened
        return self.opened


def site_over(store: ObjectStore, registry: Registry, backend: AppliedLog, actor: str) -> ScheduledSite:
    settings = Settings(project=PROJECT)
    return ScheduledSite(settings, actor, backend, process_store=store, opened=registry)


def deploy(site: ScheduledSite, choose: random.Random) -> None:
    """Takes a revision of some version online, or takes it back; a run that failed is run again."""
    draft = a_revision(
        project=PROJECT,
        deployment=DEPLOYMENT,
        model=a_model(choose.randint(1, 3), MODEL),
        artifact=ResolvedArtifact(version=0),
        smoke_requests=(SmokeRequest(inputs=choose.randint(1, 2)),),
    )
    for _attempt in range(2):
        try:
            revision = rollout.provision(site, draft).revision
            if choose.random() < 0.3:
                rollout.restore(site, revision, FAILED)
                return
            site.ledger(DEPLOYMENT).record(partial(_proven, revision=revision))
            rollout.promote(site, revision)
            return
        except MoorageError:
            continue


def end(site: ScheduledSite, _: random.Random) -> None:
    """Deletes the deployment."""
    try:
        lifecycle.delete(site, DEPLOYMENT)
    except MoorageError:
        return


def tidy(site: ScheduledSite, _: random.Random) -> None:
    """Keeps but the newest version, and what the deployment needs."""
    for _attempt in range(2):
        try:
            collect_garbage(site, MODEL, keep=1, lease_s=0)
        except MoorageError:
            continue


def remove(site: ScheduledSite, choose: random.Random) -> None:
    """Deletes some version, if that is allowed."""
    try:
        site.registry.references(MODEL).delete(choose.randint(1, 3))
    except MoorageError:
        return


class PinWitness:
    """Holds two invariants after every step, beside those of the registry."""

    def __init__(self, store: MemoryStore, backend: AppliedLog) -> None:
        self._store = store
        self._backend = backend
        self._deleted: frozenset[int] = frozenset()

    def look(self) -> None:
        """I14: what was applied and stands in the ledger is pinned. I15: retention deletes nothing that was proven."""
        ledger, references = self._newest(LEDGER), self._newest(KEYS.references(MODEL))
        state = References.from_json(references) if references else References()
        named = LedgerState.model_validate(ledger["state"]) if ledger else LedgerState()
        applied = [r for r in (named.live, named.candidate) if r and r.number in self._backend.ever]
        pinned, wanted = state.pins_of(DEPLOYMENT), pins_by_model(applied).get(MODEL, frozenset())
        check(wanted <= pinned, "I14", f"may run: {wanted}, pinned: {pinned}")
        news, self._deleted = state.deleted - self._deleted, state.deleted
        if news and references["reason"].startswith(RETENTION) and not named.deleted:
            check(not news & self._proven(), "I15", f"deleted are {news}, proven were {self._proven()}")

    def _proven(self) -> set[int]:
        bodies = [json.loads(body)["body"] for key, body in self._store.objects.items() if key.startswith(LEDGER)]
        states = [LedgerState.model_validate(body["state"]) for body in bodies if body["event"] == Event.PROMOTED]
        return {state.live.model.version for state in states if state.live}

    def _newest(self, prefix: str) -> dict[str, Any]:
        for found in self._store.list(prefix, limit=1):
            body: dict[str, Any] = json.loads(self._store.objects[found.key])["body"]
            return body
        return {}


def _proven(state: LedgerState, revision: Revision) -> Change | None:
    flies = state.candidate is not None and state.candidate.number == revision.number
    return Change(Event.PROVEN, state, revision.number) if flies else None
