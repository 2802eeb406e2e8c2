"""Whether the cluster is the one whose pod this process runs in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

# Kubernetes sets it in every pod: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_IN_A_POD: Final = "KUBERNETES_SERVICE_HOST"


def kubeconfig(environ: Mapping[str, str]) -> str | None:
    """The file that names the cluster; None: this pod's own account does, for no file is there."""
    usual = Path(environ.get("HOME") or "~").expanduser() / ".kube" / "config"
    if named := environ.get("KUBECONFIG"):
        return named
    return None if environ.get(_IN_A_POD) and not usual.exists() else str(usual)
