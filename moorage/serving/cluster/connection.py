"""From the settings to a place in a cluster and the way there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from moorage.errors import BackendRefused
from moorage.serving.cluster.marks import Place
from moorage.settings import Settings
from moorage.startup import Cause

if TYPE_CHECKING:
    from moorage.serving.cluster.client import ClusterClient

_NO_SECRET: Final = "none"  # noqa: S105 - the word for its absence


def connect(settings: Settings) -> tuple[Place, ClusterClient]:
    """Where the project's objects are, and a client for it; asks the cluster nothing yet.

    Raises:
        BackendRefused: no cluster is named, or what talks to one is not installed.
    """
    try:
        # imported here: whoever deploys on this machine alone needs no cluster's client
        from moorage.serving.cluster.client import ClusterClient
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("kubernetes", "urllib3"):
            raise
        raise BackendRefused(
            f"Nothing was asked of the cluster: {error.name} is not installed.",
            "",
            "Install it: pip install 'moorage[cluster]'.",
            cause=Cause.TOOL_MISSING,
        ) from error
    place = Place(
        namespace=settings.namespace_name,
        project=settings.project,
        store_url=settings.store_url,
        service_account=settings.service_account,
        store_secret=None if settings.store_secret == _NO_SECRET else settings.store_secret,
        ingress=settings.ingress or None,
        node_patience_s=settings.node_patience_s,
        logging=settings.logging_variables,
        kafka_secret=settings.kafka_secret or None,
    )
    return place, ClusterClient.connect(place.namespace, settings.kube_context)
