"""A deploy as the library does it, and what is left of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from moorage import rollout
from moorage.deployment import Revision
from moorage.errors import MoorageError
from moorage.inference.client import InferenceClient
from moorage.rollout import Restored, verdict_of
from moorage.serving.base import Address
from moorage.serving.verdict import Verdict
from moorage.site import Site


@dataclass(frozen=True)
class Outcome:
    """How a deploy ended.

    Attributes:
        revision: the one that was proposed; None when it never came to that.
        verdict: why it failed; None when it did not.
        restored: what was done about it.
        took_s: from the start of the wait to its end.
        decided_at: when the wait ended, in seconds since 1970.
        stages: what was told meanwhile.
    """

    revision: Revision | None
    verdict: Verdict | None = None
    restored: Restored | None = None
    took_s: float = 0
    decided_at: float = 0
    stages: tuple[str, ...] = ()


def deploy(site: Site, draft: Revision, *, on_stage: Callable[[str], None] = lambda _: None) -> Outcome:
    """Takes a revision online; what fails is taken back, and told instead of raised."""

    def told(stage: str) -> None:
        stages.append(stage)
        on_stage(stage)

    stages: list[str] = []
    began, revision = time.monotonic(), None
    try:
        proposal = rollout.provision(site, draft)
        revision = proposal.revision
        if not proposal.nothing_to_do:
            began = time.monotonic()
            rollout.wait(site, revision, on_stage=told)
            rollout.prove(site, revision)
            rollout.promote(site, revision)
    except MoorageError as error:
        took, now, verdict = time.monotonic() - began, time.time(), verdict_of(error)
        restored = None if revision is None else rollout.restore(site, revision, verdict)
        return Outcome(revision, verdict, restored, took, now, tuple(stages))
    return Outcome(revision, None, None, time.monotonic() - began, time.time(), tuple(stages))


def client_of(address: Address | None, deployment: str) -> InferenceClient:
    """A client for what answers there."""
    assert address is not None
    return InferenceClient(address.url, deployment, host=address.host)


def ask(site: Site, draft: Revision, value: int = 21) -> tuple[int, str]:
    """What the deployment answers, and which revision it says that it is."""
    with (
        site.backend(draft.serving_tool).reach(draft.deployment) as address,
        client_of(address, draft.deployment) as client,
    ):
        answer = client.predict(inputs=[[value]])
        return answer.predictions[0], answer.headers["moorage-revision"]
