"""The URLs of a deployment, for those in the cluster and those outside, and whether they lead there yet."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import urlsplit

from moorage.errors import InferenceFailed
from moorage.serving.base import Address
from moorage.serving.cluster.marks import Place

# An ingress hears of a new route a moment after it was made: KServe is ready up to a second before Traefik answers. So
# do a node's proxy and the cluster's DNS of a new Service.
_ROUTED_S: Final = 15
_POLL_S: Final = 0.2


def service_url(place: Place, service: str) -> str:
    """Where pods of the cluster ask."""
    return f"http://{service}.{place.namespace}.svc.cluster.local"


def users_url(place: Place, service: str, named: str | None) -> str:
    """Where users ask: by the ingress where there is one, else by the Service's name in the cluster.

    Args:
        service: the Service's name.
        named: the URL that the tool gives out; it leads nowhere without an ingress.
    """
    if place.ingress is not None and named is not None:
        return named
    return service_url(place, service)


def by_ingress(ingress: str, named: str) -> Address:
    """How the ingress is asked for a URL whose host name need not resolve here."""
    return Address(ingress.rstrip("/"), host=urlsplit(named).netloc)


def wait_until_routed(address: Address, deployment: str) -> None:
    """Returns once an address leads to the deployment, or after a while; whoever asks then is told what is wrong."""
    # imported here: whoever registers models in a notebook asks no deployment, and need not load what asks
    from moorage.inference.client import InferenceClient

    deadline = time.monotonic() + _ROUTED_S
    with InferenceClient(address.url, deployment, host=address.host) as client:
        while time.monotonic() < deadline:
            try:
                client.ready()
            except InferenceFailed:
                time.sleep(_POLL_S)
            else:
                return
