"""A new revision on trial: it gets a share of the requests, is watched with it, and only then gets them all."""

from __future__ import annotations

from contextlib import AbstractContextManager

from moorage.deployment import Revision
from moorage.ledger import LedgerState
from moorage.serving.base import Address, SharesRequests
from moorage.site import Site


def share_of(state: LedgerState, revision: Revision) -> int | None:
    """Percent of the requests that a revision is to get before it is promoted (pure); None: all.

    Only beside one that is live at the same serving tool: where nothing else answers, there is nothing to share.
    """
    live = state.live
    if live is None or live.number == revision.number or live.serving_tool is not revision.serving_tool:
        return None
    return revision.rollout.canary_percent


def apply_at_tool(site: Site, revision: Revision, state: LedgerState) -> None:
    """Makes the revision the wanted one, with the share that it is to get."""
    backend, share = site.backend(revision.serving_tool), share_of(state, revision)
    if share is not None and isinstance(backend, SharesRequests):
        backend.apply_share(revision, share)
    else:
        backend.apply(revision)


def has_a_share(site: Site, revision: Revision) -> bool:
    """Whether it gets some of the requests and another revision the others; asks only a tool that can share them."""
    backend = site.backend(revision.serving_tool)
    return isinstance(backend, SharesRequests) and backend.observe(revision.deployment).shares(revision.number)


def give_all(site: Site, revision: Revision) -> None:
    """Ends the sharing in the revision's favour; nothing happens where requests are not shared."""
    backend = site.backend(revision.serving_tool)
    if isinstance(backend, SharesRequests):
        backend.give_all(revision)


def reach_newest(site: Site, revision: Revision) -> AbstractContextManager[Address | None]:
    """Where the revision applied last answers, and no other, while the block lasts."""
    backend = site.backend(revision.serving_tool)
    if isinstance(backend, SharesRequests):
        return backend.reach_newest(revision.deployment)
    return backend.reach(revision.deployment)
