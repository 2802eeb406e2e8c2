"""KSERVE: the verbs of every cluster backend, in this tool's shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from moorage.predictor import ModelServer, ServingTool
from moorage.serving.cluster.backend import ClusterBackend
from moorage.serving.cluster.connection import connect
from moorage.serving.kserve.shape import KServeShape
from moorage.settings import Settings


@dataclass(frozen=True)
class KServeBackend(ClusterBackend):
    """Model deployments as InferenceServices."""

    tool: ClassVar[ServingTool] = ServingTool.KSERVE
    model_servers: ClassVar[frozenset[ModelServer]] = frozenset({ModelServer.PYTHON})

    @classmethod
    def from_settings(cls, settings: Settings) -> KServeBackend:
        """Raises BackendRefused where no cluster is named, or moorage[cluster] is not installed."""
        place, client = connect(settings)
        return cls(KServeShape(), place, client)
