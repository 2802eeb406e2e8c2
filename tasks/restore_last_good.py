"""What cannot be proven is taken back."""

from __future__ import annotations

from moorage import rollout
from moorage.deployment import Revision
from moorage.rollout import Restored
from moorage.serving.verdict import Verdict
from tasks.acting_site import acting_site
from tasks.step import step


@step("restore last good")
def restore_last_good(revision: Revision, verdict: Verdict) -> Restored | None:
    """Quarantines the revision that failed and applies the last good one again.

    None: a newer proposal has taken over, and decides.
    """
    return rollout.restore(acting_site(), revision, verdict)
