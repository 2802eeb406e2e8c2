"""KSERVE: the verbs of every cluster backend, in this tool's shape."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from moorage.abilities import Abilities
from moorage.components import ANY_MODE
from moorage.deployment import Revision
from moorage.predictor import ModelServer, ServingTool
from moorage.resources import ScaleMetric
from moorage.serving.base import Address
from moorage.serving.cluster.backend import ClusterBackend
from moorage.serving.cluster.connection import connect
from moorage.serving.cluster.own_pod import kubeconfig
from moorage.serving.cluster.podspec import GRPC_PORT
from moorage.serving.cluster.routes import service_url
from moorage.serving.cluster.status import Sight, observe, view_pods
from moorage.serving.cluster.strategy import BESIDE
from moorage.serving.kserve.knative import LATEST
from moorage.serving.kserve.shape import KServeShape
from moorage.settings import Settings


@dataclass(frozen=True)
class KServeBackend(ClusterBackend):
    """Model deployments as InferenceServices."""

    tool: ClassVar[ServingTool] = ServingTool.KSERVE
    abilities: ClassVar[Abilities] = Abilities(
        model_servers=frozenset(ModelServer),
        scale_metrics=frozenset(ScaleMetric),
        scales_to_zero=True,
        has_resources=True,
        shares_requests=True,
        transforms=True,
        batches=frozenset({ModelServer.PYTHON, ModelServer.TENSORFLOW_SERVING}),
        grpc=frozenset({ModelServer.PYTHON}),
        log_modes=ANY_MODE,
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> KServeBackend:
        """Raises BackendRefused where no cluster is named, or moorage[cluster] is not installed."""
        place, client = connect(settings)
        return cls(KServeShape(), place, client)

    def apply_share(self, revision: Revision, percent: int) -> None:
        self._apply(revision, percent)

    def give_all(self, revision: Revision) -> None:
        parent = self._parent(revision.deployment)
        wish = None if parent is None else self.shape.read(parent)
        if wish is not None and wish.applied == revision.number and wish.share is not None:
            self._apply_all(revision, BESIDE, parent, running=True)

    @contextmanager
    def reach_newest(self, deployment: str) -> Iterator[Address | None]:
        sight = self._sight(deployment)
        if sight is None or sight.route is None or not sight.route.canary:
            with self.reach(deployment) as address:
                yield address
            return
        ready = _ready_pods(sight, sight.applied)
        service = f"{LATEST}-{self.shape.service(deployment)}"
        with self._way_to(deployment, service, sight.route.canary_url, ready) as address:
            yield address

    @contextmanager
    def reach_grpc(self, deployment: str) -> Iterator[str | None]:
        sight = self._sight(deployment)
        serving = None if sight is None else observe(sight).serving
        # pods of earlier revisions answer until they have ended
        ready = _ready_pods(sight, serving) if sight else []
        if not ready:
            yield None
        elif kubeconfig(os.environ) is None:
            host = urlsplit(service_url(self.place, self.shape.service(deployment))).netloc
            yield f"{host}:{GRPC_PORT}"
        else:
            # imported here, as the client is: what talks to a cluster takes half a second to load
            from moorage.serving.cluster.forward import forwarded

            with forwarded(self.client, ready[0], GRPC_PORT) as url:
                yield urlsplit(url).netloc


def _ready_pods(sight: Sight, revision: int | None) -> list[str]:
    """The names of a revision's pods that answer."""
    return [view.name for view in view_pods(sight) if view.ready and view.revision == revision]
