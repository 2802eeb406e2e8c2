"""Which serving tools there are, and what each can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from moorage.abilities import Abilities
from moorage.predictor import ServingTool
from moorage.serving.base import Backend
from moorage.serving.kserve.backend import KServeBackend
from moorage.serving.kubernetes.backend import KubernetesBackend
from moorage.serving.local.backend import LocalBackend
from moorage.settings import Settings

_BACKENDS: Final[Mapping[ServingTool, type[LocalBackend | KubernetesBackend | KServeBackend]]] = {
    LocalBackend.tool: LocalBackend,
    KubernetesBackend.tool: KubernetesBackend,
    KServeBackend.tool: KServeBackend,
}


def backend_for(tool: ServingTool, settings: Settings) -> Backend:
    """The backend that runs the deployments of the settings' project; `rules` has refused tools that are not here."""
    return _BACKENDS[tool].from_settings(settings)


def abilities() -> Mapping[ServingTool, Abilities]:
    """What each available serving tool can do, read from the backends themselves."""
    return {tool: backend.abilities for tool, backend in _BACKENDS.items()}
