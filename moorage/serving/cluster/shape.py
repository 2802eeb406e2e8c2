"""What the two cluster tools differ in; all else is one backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from moorage.components import Component
from moorage.deployment import Revision
from moorage.predictor import ServingTool
from moorage.serving.cluster.kinds import Kind
from moorage.serving.cluster.marks import Manifest, Place
from moorage.serving.verdict import Verdict


@dataclass(frozen=True)
class Wish:
    """What a tool's own object says was asked for.

    Attributes:
        applied: number of the revision; None when the object names none.
        running: whether it is to run.
        least: how many instances there must be.
        revision: the whole of it; None where somebody changed what the object says.
        refused: why the tool does not go on with it; None while it does.
        held: why an object that was deleted is still there; empty for one that was not.
        share: percent of the requests that the revision is to get; None: all.
    """

    applied: int | None
    running: bool
    least: int
    revision: Revision | None
    refused: Verdict | None = None
    held: str = ""
    share: int | None = None


def share_of(asked: int | None, number: int, wish: Wish | None) -> int | None:
    """Percent of the requests that a revision gets, given what was asked for before (pure); None: all, once ready.

    While they are shared, "all to the newest that is ready" would send them to the one that is on trial, until the
    next is ready. So whatever is applied beside it gets none at first.
    """
    if wish is None or not wish.running:
        return None  # nothing to share with
    if wish.applied == number:
        return asked if wish.share is not None else None
    return asked if asked is not None or wish.share is None else 0


@dataclass(frozen=True)
class Route:
    """Where requests go, as a tool says it that routes them itself.

    Attributes:
        settled: all of them go to the revision that was applied last, and nothing is under way.
        serving: the number of the revision that they go to; the older one while they go to two. None: nowhere yet.
        canary: whether the revision that was applied last is ready and has a share of its own, be it none.
        canary_url: where it alone is asked then.
    """

    settled: bool
    serving: int | None
    canary: bool = False
    canary_url: str | None = None


@dataclass(frozen=True)
class Router:
    """What routes requests where pods' readiness does not decide.

    Attributes:
        service, part: the kinds of object that say where requests go, and of what they go to.
        read: what those objects say; gets the service or None, its parts, and the revision that was applied last.
    """

    service: Kind
    part: Kind
    read: Callable[[Manifest | None, Sequence[Manifest], int | None], Route]


class Shape(Protocol):
    """One tool's objects, and how they are read (pure)."""

    @property
    def tool(self) -> ServingTool: ...

    @property
    def container(self) -> str:
        """The name of the serving container."""
        ...

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """All that we write, the object that says what was asked for first."""
        ...

    @property
    def left_behind(self) -> tuple[Kind, ...]:
        """What the tool made for a transformer, and does not take away with it."""
        ...

    def workload(self, deployment: str, component: Component = Component.PREDICTOR) -> str:
        """The name of the Deployment that makes the pods of a component."""
        ...

    def service(self, deployment: str, component: Component = Component.PREDICTOR) -> str:
        """The name of the Service in front of them."""
        ...

    def transformers(self, parent: Manifest) -> int | None:
        """How many instances of its transformer there must be; None where it has none."""
        ...

    def manifests(
        self, revision: Revision, place: Place, strategy: Manifest, *, running: bool, share: int | None = None
    ) -> list[Manifest]:
        """What to apply, in this order; what is not among them is taken away.

        Args:
            strategy: how old pods give way to new ones, as a Deployment says it.
            running: False: the same with everything behind it taken away.
            share: percent of the requests that it gets; None: all. Only for what a Router routes.
        """
        ...

    def routes(self, parent: Manifest) -> Router | None:
        """What routes requests, so that its word counts and not the number of pods; None where pods decide."""
        ...

    def read(self, parent: Manifest) -> Wish:
        """What the object of the first of our kinds says."""
        ...
