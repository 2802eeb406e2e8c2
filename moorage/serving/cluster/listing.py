"""All of our objects in a namespace by one list of each kind, for whoever looks at many deployments at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from moorage.serving.cluster.kinds import Kind
from moorage.serving.cluster.marks import FIELD_MANAGER, MANAGED_BY, Manifest

if TYPE_CHECKING:
    from moorage.serving.cluster.client import ClusterClient

_OURS: Final = f"{MANAGED_BY}={FIELD_MANAGER}"


class Reader(Protocol):
    """What a deployment's objects are read from: the cluster itself, or lists made of it before."""

    def get(self, kind: Kind, name: str) -> Manifest | None:
        """One object; None where there is none."""
        ...

    def find(self, kind: Kind, *, selector: str = "") -> Sequence[Manifest]:
        """Those with all of these labels, as `a=b,c=d`."""
        ...


@dataclass(frozen=True)
class Listing:
    """Lists of what bears our mark, each made when it is first needed and kept."""

    client: ClusterClient
    listed: dict[Kind, list[Manifest]] = field(default_factory=dict)

    def get(self, kind: Kind, name: str) -> Manifest | None:
        return next((found for found in self._all(kind) if found["metadata"]["name"] == name), None)

    def find(self, kind: Kind, *, selector: str = "") -> list[Manifest]:
        wanted = dict(pair.split("=", 1) for pair in selector.split(",") if pair).items()
        return [found for found in self._all(kind) if wanted <= (found["metadata"].get("labels") or {}).items()]

    def _all(self, kind: Kind) -> list[Manifest]:
        if kind not in self.listed:
            self.listed[kind] = self.client.find(kind, selector=_OURS)
        return self.listed[kind]
