"""Which names are allowed, each rule with its reason."""

from __future__ import annotations

import re
from typing import Final

from moorage.errors import InvalidName

# Hopsworks' rule for models; a name is one folder in the store, hence no separators and no dots.
MODEL_NAME_PATTERN: Final = r"^[a-zA-Z0-9_]+$"
# Hopsworks' rule for deployments: letters and digits only, so that a DNS name can always be derived by lower-casing.
DEPLOYMENT_NAME_PATTERN: Final = r"^[a-zA-Z0-9]+$"
# A project is a prefix in the store and a namespace in a cluster.
PROJECT_NAME_PATTERN: Final = r"^[a-zA-Z0-9_]+$"
# Environments are named as Hopsworks names them: `pandas-inference-pipeline`.
ENVIRONMENT_NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9-]*$"
# A LocalQueue of Kueue's is named by a DNS label: https://kueue.sigs.k8s.io/docs/concepts/local_queue/
QUEUE_NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
# Letters, digits, and what people put between them: `champion`, `v1.2`, `2024-01`.
ALIAS_PATTERN: Final = r"^[a-zA-Z0-9_.-]+$"
# Stands for the version with the largest number; no alias.
LATEST: Final = "latest"
# What people call by a path that begins so lies in the store: Hopsworks' /Projects/<project>/Resources/predictor.py.
IN_THE_STORE: Final = "Projects/"
# One component of a path: https://man7.org/linux/man-pages/man3/realpath.3.html (NAME_MAX).
MODEL_NAME_MAX: Final = 255
ALIAS_MAX: Final = 255
# A DNS label, RFC 1035 section 2.3.4: the name ends up in a Service's host name.
DEPLOYMENT_NAME_MAX: Final = 63
# KServe labels pods `isvc.<name>-predictor`, and puts `<name>-predictor-<namespace>` in one label of its URL:
# https://github.com/kserve/kserve/blob/v0.20.0/pkg/controller/v1beta1/inferenceservice/reconcilers/raw/raw_kube_reconciler.go
KSERVE_NAME_MAX: Final = 48
KSERVE_URL_MAX: Final = 52


def check_model_name(name: str) -> str:
    """Returns `name` when a model may bear it; raises InvalidName otherwise."""
    return _check("Model", name, MODEL_NAME_PATTERN, MODEL_NAME_MAX, "letters, digits and '_'")


def check_deployment_name(name: str) -> str:
    """Returns `name` when a model deployment may bear it; raises InvalidName otherwise."""
    return _check("Deployment", name, DEPLOYMENT_NAME_PATTERN, DEPLOYMENT_NAME_MAX, "letters and digits")


def deployment_name_of(model: str) -> str:
    """What a deployment of a model is called when nobody says otherwise: the model's name, letters and digits alone."""
    return re.sub(r"[^A-Za-z0-9]", "", model)


def is_deployment_name(name: str) -> bool:
    """Whether a model deployment may bear the name."""
    return _fits(name, DEPLOYMENT_NAME_PATTERN, DEPLOYMENT_NAME_MAX)


def check_project_name(name: str) -> str:
    """Returns `name` when a project may bear it; raises InvalidName otherwise."""
    return _check("Project", name, PROJECT_NAME_PATTERN, DEPLOYMENT_NAME_MAX, "letters, digits and '_'")


def check_group_name(name: str) -> str:
    """Returns `name` when a group of declared deployments may bear it; raises InvalidName otherwise."""
    return _check("Group", name, PROJECT_NAME_PATTERN, MODEL_NAME_MAX, "letters, digits and '_'")


def check_alias(alias: str) -> str:
    """Returns `alias` when a model version may be called so; raises InvalidName otherwise."""
    problem = (
        "it takes 1 to 255 of: letters, digits, '-', '_' and '.'"
        if not _fits(alias, ALIAS_PATTERN, ALIAS_MAX)
        else "it would be taken for a version number"
        if alias.removeprefix("-").isdecimal()
        else "it stands for the version with the largest number"
        if alias.casefold() == LATEST
        else ""
    )
    if not problem:
        return alias
    raise InvalidName(f"Alias {alias[:80]!r} is not allowed: {problem}.", "", "Call it 'champion', for example.")


def _check(kind: str, name: str, pattern: str, longest: int, allowed: str) -> str:
    if _fits(name, pattern, longest):
        return name
    shown = name if len(name) <= longest else f"{name[:longest]}…"
    suggestion = re.sub(r"[^a-zA-Z0-9]" if allowed.endswith("digits") else r"[^a-zA-Z0-9_]", "", name)[:longest]
    mend = f"Call it {suggestion!r}, for example." if suggestion else ""
    raise InvalidName(f"{kind} name {shown!r} is not allowed.", f"It takes 1 to {longest} characters: {allowed}.", mend)


def _fits(name: str, pattern: str, longest: int) -> bool:
    # fullmatch: with match, `$` would let a trailing newline through
    return len(name) <= longest and re.fullmatch(pattern, name) is not None
