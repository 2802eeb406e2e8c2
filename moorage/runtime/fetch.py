"""The verified download: what a revision names, on this machine, or nothing at all."""

from __future__ import annotations

from pathlib import Path

from moorage.deployment import Revision
from moorage.errors import IntegrityError
from moorage.registry.registry import Registry
from moorage.store import open_store


def fetch(store_url: str, revision: Revision, *, model_files: Path, artifact_files: Path) -> None:
    """Makes the two folders hold exactly what the revision was resolved to; what is there already is not fetched again.

    Args:
        model_files: becomes the folder of the model files.
        artifact_files: becomes the folder of the artifact files; empty for artifact version 0.

    Raises:
        NotFound: the model version or the artifact version does not exist.
        IntegrityError: the store holds something else under that number, or a file is missing or changed. Neither
            folder ever holds a part of it.
        StoreUnavailable, StoreRefused: the store did not answer, or a disk is full.
    """
    registry = Registry(open_store(store_url), revision.project)
    model = registry.get(revision.model.name, revision.model.version)
    _check(f"model {model.name!r} version {model.version}", found=model.digest, expected=revision.model.digest)
    artifact = registry.get_artifact_version(model.name, model.version, revision.artifact.version)
    what = f"artifact version {artifact.version} of model {model.name!r} version {model.version}"
    _check(what, found=artifact.digest, expected=revision.artifact.digest)
    registry.download_model(model, model_files)
    registry.download_artifact(artifact, artifact_files)


def _check(what: str, *, found: str, expected: str) -> None:
    if found != expected:
        raise IntegrityError(
            f"The store holds another {what} than this revision was made for: its digest is {found!r}.",
            f"The revision names {expected!r}.",
            "See whether the store is the right one; if it is, deploy again to make a new revision.",
        )
