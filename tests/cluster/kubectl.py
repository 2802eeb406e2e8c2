"""The cluster as its administrator sees it: what the code under test is held against."""

from __future__ import annotations

import subprocess
from typing import Any, Final

import yaml

# what selects every object that is ours
OURS: Final = "app.kubernetes.io/managed-by=moorage"
NAMESPACE: Final = "moorage"


def kubectl(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """What kubectl prints, as whoever KUBECONFIG names: the cluster's administrator."""
    done = subprocess.run(
        ["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False, timeout=120
    )
    assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def objects(kind: str, selector: str = "") -> list[dict[str, Any]]:
    """Objects of the tests' namespace."""
    found = kubectl("get", kind, "-n", NAMESPACE, "-o", "yaml", *(("-l", selector) if selector else ()))
    items: list[dict[str, Any]] = yaml.safe_load(found)["items"]
    return items
