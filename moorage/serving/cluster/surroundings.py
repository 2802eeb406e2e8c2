"""What a deploy meets where it is to run: all that preflight decides on, read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moorage.deployment import Revision, Strategy
from moorage.errors import BackendRefused
from moorage.serving.cluster.kinds import (
    ACCESS_REVIEW,
    LIMIT_RANGE,
    LOCAL_QUEUE,
    NAMESPACE,
    NODE,
    POD,
    QUOTA,
    SECRET,
    SERVICE_ACCOUNT,
    Kind,
)
from moorage.serving.cluster.marks import Manifest, Place, object_name
from moorage.serving.cluster.podspec import pod_spec
from moorage.serving.cluster.preflight import LOOKED_AT, VERBS, PlaceFacts
from moorage.serving.cluster.shape import Shape
from moorage.serving.cluster.strategy import Room, room_for

if TYPE_CHECKING:
    from moorage.serving.cluster.client import ClusterClient


@dataclass(frozen=True)
class Surroundings:
    """The cluster around a deployment, as far as this account may look.

    Attributes:
        shape: what the serving tool writes.
        place: where.
        client: the way there.
    """

    shape: Shape
    place: Place
    client: ClusterClient

    def facts(self, revision: Revision, running: Sequence[Manifest]) -> PlaceFacts:
        """Everything that may stand in the way of a revision; `running` are the pods that its deployment has."""
        namespace, known = None, True
        try:
            namespace = self.client.get(NAMESPACE, self.place.namespace)
        except BackendRefused:
            known = False
        kind = self.shape.kinds[0]
        served = self.client.serves(kind)
        return PlaceFacts(
            namespace=namespace,
            namespace_known=known,
            tool_served=served,
            denied=tuple(self._denied()),
            parent=self.client.get(kind, object_name(revision.deployment)) if served else None,
            missing=tuple(self._missing(revision)),
            quotas=tuple(self._visible(QUOTA)),
            limit_ranges=tuple(self._visible(LIMIT_RANGE)),
            room=self.room(revision, running),
            own_pods=len(running),
        )

    def room(self, revision: Revision, running: Sequence[Manifest]) -> Room:
        """Where one more instance has room beside those that run."""
        if revision.rollout.strategy is Strategy.RECREATE or not running:
            return Room.UNKNOWN
        try:
            nodes, pods = self.client.find(NODE), self.client.find(POD, everywhere=True)
        except BackendRefused:
            return Room.UNKNOWN  # an account that sees one namespace alone
        pod = pod_spec(revision, self.place, container=self.shape.container)
        return room_for(pod, nodes, pods, {each["metadata"]["uid"] for each in running})

    def _denied(self) -> Iterator[str]:
        wanted = [(kind, "", verb) for kind in self.shape.kinds for verb in VERBS]
        for kind, part, verb in (*wanted, *LOOKED_AT):
            attributes = {"namespace": self.place.namespace, "verb": verb, "group": kind.group}
            attributes |= {"resource": kind.plural, "subresource": part}
            review = {
                "apiVersion": ACCESS_REVIEW.version,
                "kind": ACCESS_REVIEW.name,
                "spec": {"resourceAttributes": attributes},
            }
            if not self.client.create(ACCESS_REVIEW, review)["status"].get("allowed"):
                yield f"{verb} {kind.plural}" + (f"/{part}" if part else "")

    def _missing(self, revision: Revision) -> Iterator[str]:
        named: list[tuple[Kind, str | None, str]] = [
            (SERVICE_ACCOUNT, self.place.service_account, "service account"),
            (SECRET, self.place.store_secret, "Secret"),
            (SECRET, self.place.kafka_secret if revision.log_topic else None, "Secret"),
            (LOCAL_QUEUE, revision.queue, "LocalQueue"),
        ]
        for kind, name, word in named:
            if name is None:
                continue
            # who may not look cannot tell; the pod will
            with contextlib.suppress(BackendRefused):
                if self.client.get(kind, name) is None:
                    yield f"{word} {name!r}"

    def _visible(self, kind: Kind) -> list[Manifest]:
        """All of a kind, as far as this account may look; what it may not see, the cluster will tell."""
        with contextlib.suppress(BackendRefused):
            return self.client.find(kind)
        return []
