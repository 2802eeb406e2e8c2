"""KUBERNETES: the verbs of every cluster backend, in this tool's shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from moorage.abilities import Abilities
from moorage.components import LogMode
from moorage.predictor import ModelServer, ServingTool
from moorage.resources import ScaleMetric
from moorage.serving.cluster.backend import ClusterBackend
from moorage.serving.cluster.connection import connect
from moorage.serving.kubernetes.shape import KubernetesShape
from moorage.settings import Settings


@dataclass(frozen=True)
class KubernetesBackend(ClusterBackend):
    """Model deployments as Deployments with a Service in front."""

    tool: ClassVar[ServingTool] = ServingTool.KUBERNETES
    abilities: ClassVar[Abilities] = Abilities(
        model_servers=frozenset({ModelServer.PYTHON, ModelServer.TENSORFLOW_SERVING}),
        batches=frozenset({ModelServer.TENSORFLOW_SERVING}),
        scale_metrics=frozenset({ScaleMetric.CPU, ScaleMetric.MEMORY}),
        has_resources=True,
        log_modes=frozenset({LogMode.ALL}),
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> KubernetesBackend:
        """Raises BackendRefused where no cluster is named, or moorage[cluster] is not installed."""
        place, client = connect(settings)
        return cls(KubernetesShape(), place, client)
