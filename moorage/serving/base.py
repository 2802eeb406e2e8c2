"""What a serving tool's backend must be able to do: seven verbs, each idempotent, none waiting.

Every backend passes `tests/serving/test_contract.py`. Waiting, proving and taking back are `rollout`'s work, the same
for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from moorage.abilities import Abilities
from moorage.components import Component
from moorage.deployment import Revision, State
from moorage.predictor import ServingTool
from moorage.serving.conditions import Step
from moorage.serving.verdict import Verdict
from moorage.startup import Cause


@dataclass(frozen=True)
class Plan:
    """What `apply` would do.

    Attributes:
        changes: a sentence for each thing that would be started, replaced or left alone.
        obstacles: why it cannot work; empty when nothing stands in the way.
    """

    changes: tuple[str, ...]
    obstacles: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Observation:
    """How a model deployment stands at one moment; read, never stored.

    Attributes:
        state: in Hopsworks' words.
        applied: number of the revision that was applied last; None before the first.
        serving: number of the revision that answers users' requests; None when none does.
        stage: what the applied revision is doing, for people.
        verdict: why the applied revision does not serve, or what else needs somebody's hand; None while all is well.
        endpoint: base URL that answers from where the caller is; None when nothing listens.
        processes: ids of the model server processes or pods.
        restarts: how often the serving revision's server had to be started again.
        awaits: what it will have waited for in vain, when patience ends; None where nothing in particular.
        canary: number of the revision that is ready and gets a share of the requests beside another; else None.
        step: what the applied revision is about to reach, while it starts; None otherwise.
    """

    state: State
    applied: int | None = None
    serving: int | None = None
    stage: str = ""
    verdict: Verdict | None = None
    endpoint: str | None = None
    processes: tuple[str, ...] = ()
    restarts: int = 0
    awaits: Cause | None = None
    canary: int | None = None
    step: Step | None = None

    def serves(self, number: int) -> bool:
        """Whether exactly this revision is wanted and answers, and nothing about it needs anybody's hand."""
        runs = self.state in (State.RUNNING, State.IDLE)
        return runs and (self.applied, self.serving, self.verdict) == (number, number, None)

    def shares(self, number: int) -> bool:
        """Whether exactly this revision is wanted and answers its share, and nothing about it needs anybody's hand."""
        return (self.applied, self.canary, self.verdict) == (number, number, None)


@dataclass(frozen=True)
class Address:
    """Where a deployment is asked.

    Attributes:
        url: the base URL.
        host: what requests say in their `Host` header, so that an ingress knows whom they are for; empty: the URL's.
    """

    url: str
    host: str = ""


@runtime_checkable
class TellsChanges(Protocol):
    """A serving tool that says when something changed, so that whoever waits need not look all the time."""

    def changes(self, deployment: str) -> AbstractContextManager[Callable[[], None]]:
        """Something to wait with, inside the block: it returns when the deployment may stand otherwise than before.

        It also returns after a moment without any change, so that its caller can look at the clock.
        """
        ...


@runtime_checkable
class ObservesMany(Protocol):
    """A serving tool that shows many deployments by few reads."""

    def observe_all(self, deployments: Collection[str]) -> dict[str, Observation]:
        """By name, how each of them stands now."""
        ...


@runtime_checkable
class SharesRequests(Protocol):
    """A serving tool that can give a new revision a share of the requests before it gets them all."""

    def apply_share(self, revision: Revision, percent: int) -> None:
        """As `apply`; but once the revision is ready, the one that serves keeps all but so many percent.

        A revision that has got all of them already keeps them.
        """
        ...

    def give_all(self, revision: Revision) -> None:
        """Gives the revision, which was applied last and is ready, all requests; one that has them is left alone."""
        ...

    def reach_newest(self, deployment: str) -> AbstractContextManager[Address | None]:
        """As `reach`, but it is the revision applied last that answers there, and no other."""
        ...


@runtime_checkable
class SpeaksGrpc(Protocol):
    """A serving tool whose deployments can be asked by gRPC too."""

    def reach_grpc(self, deployment: str) -> AbstractContextManager[str | None]:
        """HOST:PORT where it is asked from this process while the block lasts, or None while nothing listens."""
        ...


@runtime_checkable
class HasQueues(Protocol):
    """A serving tool whose instances may have to wait in a queue for their resources."""

    def queues(self) -> tuple[str, ...]:
        """The names of the queues that the project's deployments can wait in, sorted; none where it has no queues."""
        ...


class Backend(Protocol):
    """One serving tool. Names are those of model deployments; the project was given when it was made.

    Every verb raises `BackendUnavailable` when the serving tool does not answer.
    """

    tool: ClassVar[ServingTool]
    abilities: ClassVar[Abilities]

    def plan(self, revision: Revision) -> Plan:
        """What `apply` would do and what stands in its way; changes nothing."""
        ...

    def apply(self, revision: Revision) -> None:
        """Makes this the wanted revision and returns at once.

        What serves now goes on serving until the new revision is ready; when it never is, what serves stays.
        Applying what is applied and well changes nothing; applying what failed tries it again.
        """
        ...

    def observe(self, deployment: str) -> Observation:
        """How the deployment stands now; one that was never applied is `Created`."""
        ...

    def endpoint(self, deployment: str) -> str | None:
        """The base URL under which the deployment's users ask it, or None while nothing listens."""
        ...

    def reach(self, deployment: str) -> AbstractContextManager[Address | None]:
        """Where it answers from this process while the block lasts, or None while nothing listens.

        It is the endpoint itself where that can be reached from here.
        """
        ...

    def logs(
        self,
        deployment: str,
        *,
        revision: int | None = None,
        component: Component = Component.PREDICTOR,
        tail: int = 100,
    ) -> tuple[str, ...]:
        """The last `tail` lines of a revision's model server, newest last; also of one that is gone.

        Args:
            revision: None for the one that was applied last.
            component: whose; nothing of one that it has not.
        """
        ...

    def stop(self, deployment: str) -> None:
        """Asks for the end of every process and listener; returns at once. What is stopped stays stopped."""
        ...

    def delete(self, deployment: str) -> None:
        """Removes everything this backend keeps of a stopped deployment, logs too; deleting what is gone is fine.

        Raises:
            BackendUnavailable: it has not stopped yet.
        """
        ...
