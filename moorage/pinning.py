"""What may run cannot be deleted: each model's references pin what the ledgers of deployments name of it.

The order of the two writes keeps that true, whoever else writes and wherever a process dies. A revision enters the
ledger first, is pinned then, and only then applied. Pins are taken off by what the ledger says after the references
were read: who read it before the revision was in it finds the references changed by its pin, and looks again. So there
may be a pin too many, until the next deploy or garbage collection, and never one too few.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from moorage.deployment import Revision
from moorage.errors import MoorageError
from moorage.ledger import Event, Ledger, LedgerState
from moorage.registry.references import Pin, References
from moorage.site import Site

log = logging.getLogger(__name__)


def pin_what_may_run(site: Site, deployment: str, state: LedgerState) -> None:
    """Pins what `state`, read from the deployment's ledger, names, beside all that is pinned already.

    Raises:
        NotFound: what should be applied was deleted meanwhile; nothing is pinned then.
    """
    named = pins_by_model(revision for revision in (state.live, state.candidate) if revision)
    wanted = pins_by_model([state.newest] if state.newest else [])
    for model, pins in named.items():

        def decide(references: References, pins: frozenset[Pin] = pins, model: str = model) -> Collection[Pin]:
            # The last good one can be gone where it was deployed before there were pins: that must not keep a newer
            # one from replacing it.
            kept = {pin for pin in pins if pin.version not in references.deleted}
            return references.pins_of(deployment) | kept | wanted.get(model, frozenset())

        site.registry.references(model).repin(deployment, decide, actor=site.actor, reason="may run")


def put_pins_right(site: Site, deployment: str, models: Iterable[str]) -> None:
    """Pins of these models what the deployment's ledger names, and nothing else; what is so already is not written.

    What was pinned stays pinned when this fails, and that is a warning: a pin too many harms nobody.
    """
    ledger = site.ledger(deployment)

    for model in sorted(set(models)):

        def decide(references: References, model: str = model) -> Collection[Pin]:
            return pins_wanted(references, model, what_may_run(ledger))

        try:
            site.registry.references(model).repin(deployment, decide, actor=site.actor, reason="as the ledger says")
        except MoorageError as error:
            log.warning("deployment %s: its pins on model %s are left as they were: %s", deployment, model, error)


def what_may_run(ledger: Ledger) -> list[Revision]:
    """The revisions that are live or in flight, and the one that failed last unless it was taken back."""
    newest = ledger.newest()
    if newest is None:
        return []
    found = [revision for revision in (newest.state.live, newest.state.candidate) if revision]
    if newest.event is Event.FAILED:
        before = (entry.state.candidate for entry in reversed(ledger.history()))
        found += [failed for failed in before if failed and failed.number == newest.revision][:1]
    return found


def pins_wanted(references: References, model: str, revisions: Iterable[Revision]) -> frozenset[Pin]:
    """What is pinned of the model when these revisions may run (pure); what was deleted cannot be."""
    pins = pins_by_model(revisions).get(model, frozenset())
    return frozenset(pin for pin in pins if pin.version not in references.deleted)


def pins_by_model(revisions: Iterable[Revision]) -> dict[str, frozenset[Pin]]:
    """What revisions run, by model (pure)."""
    pins: dict[str, frozenset[Pin]] = {}
    for revision in revisions:
        pin = Pin(revision.model.version, revision.artifact.version, revision.number)
        pins[revision.model.name] = pins.get(revision.model.name, frozenset()) | {pin}
    return pins
