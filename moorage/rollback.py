"""Which earlier revision a deployment goes back to, as its ledger tells (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from moorage.deployment import Revision
from moorage.errors import CallerError, NotFound
from moorage.ledger import Event, LedgerEntry


def find_revision(deployment: str, entries: Sequence[LedgerEntry], number: int | None) -> Revision:
    """The revision to go back to: one that was proven once.

    Args:
        entries: the deployment's history, oldest first.
        number: of the revision; None for the last good one before what is live now.

    Raises:
        NotFound: there is none, or that one was never proven; the message names those that were.
        CallerError: that one is live.
    """
    good = promoted(entries)
    live = entries[-1].state.live if entries else None
    if number is None:
        return _before(deployment, good, live)
    found = next((revision for revision in good if revision.number == number), None)
    if found is None:
        raise NotFound(
            f"Deployment {deployment!r} cannot go back to revision {number}: it was never proven.",
            f"Proven: {_listed(good)}.",
            f"Name one of these; `moorage deployment history {deployment}` tells of all.",
        )
    if live is not None and live.digest == found.digest:
        raise CallerError(
            f"Revision {number} of deployment {deployment!r} is what is live now.",
            f"Going back means another one. Proven: {_listed(good)}.",
            f"If it does not answer, `moorage deployment start {deployment}` mends it.",
        )
    return found


def promoted(entries: Sequence[LedgerEntry]) -> list[Revision]:
    """Every revision that was ever proven and promoted, by number."""
    found = {
        entry.state.live.number: entry.state.live
        for entry in entries
        if entry.event is Event.PROMOTED and entry.state.live is not None
    }
    return [found[number] for number in sorted(found)]


def _before(deployment: str, good: Sequence[Revision], live: Revision | None) -> Revision:
    """Going back twice goes back further: what was gone back from was no good."""
    if live is None:
        earlier = list(good)
    else:
        # the same again, under a later number, stands where it stood first
        since = next((index for index, each in enumerate(good) if each.digest == live.digest), len(good))
        earlier = list(good[:since])
    if not earlier:
        raise NotFound(
            f"Deployment {deployment!r} has nothing to go back to.",
            f"Nothing earlier than what is live now was ever proven. Proven: {_listed(good)}.",
            "Name a revision, or deploy another specification.",
        )
    return earlier[-1]


def _listed(revisions: Sequence[Revision]) -> str:
    told = [f"{each.number} ({each.model.name} version {each.model.version})" for each in revisions]
    return ", ".join(told) or "none"
