"""The Prefect worker in the cluster, as `deployments/kubernetes` declares it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import yaml

from tests.cluster.kubectl import NAMESPACE, kubectl

DECLARED: Final = Path(__file__).parents[2] / "deployments" / "kubernetes"
AS_DECLARED: Final = "moorage/flows:0.1.0"
WORKER: Final = "deployment/moorage-worker"


@contextmanager
def running_worker(api: str, settings: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[None]:
    """The worker and all that prefect.yaml has, registered for it; gone afterwards.

    Args:
        api: of the Prefect server, as pods reach it.
        settings: what `settings.yaml` is filled in with.
        environ: where its secrets are, AWS_*.
    """
    kubectl("apply", "-f", "-", stdin=_filled_settings({**settings, "PREFECT_API_URL": api}, environ))
    kubectl("apply", "-f", "-", stdin=_with_our_image())
    try:
        kubectl("rollout", "status", "-n", NAMESPACE, WORKER, "--timeout=100s")
        in_worker("prefect", "--no-prompt", "deploy", "--all")
        yield
    finally:
        kubectl("delete", "--ignore-not-found", "-f", str(DECLARED / "worker.yaml"))


def in_worker(*command: str) -> str:
    """What a command prints that is run in the worker's pod, as the documentation says."""
    return kubectl("exec", "-n", NAMESPACE, WORKER, "--", *command)


def _with_our_image() -> str:
    declared = (DECLARED / "worker.yaml").read_text()
    assert declared.count(AS_DECLARED) == 2, "the image stands at the worker and at its runs"
    images = os.environ.get("TESTS_IMAGES", "moorage.test/{environment}:{version}")
    return declared.replace(AS_DECLARED, images.format(environment="flows", version=version("moorage")))


def _filled_settings(settings: Mapping[str, str], environ: Mapping[str, str]) -> str:
    config, secret = yaml.safe_load_all((DECLARED / "settings.yaml").read_text())
    assert settings.keys() <= config["data"].keys()
    config["data"] |= settings
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
    secret["stringData"] |= {name: environ[name] for name in names if name in environ}
    return yaml.safe_dump_all([config, secret])
