"""The verified download: what a revision names, on this machine, or nothing at all.

`python -m moorage.runtime.fetch` does it in the first container of a pod. Its exit code is that of `EXIT_CODES`, and
the last line it prints, which it also leaves as the container's termination message, begins with the cause.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from moorage import environment
from moorage.components import Component
from moorage.deployment import Revision
from moorage.errors import CallerError, IntegrityError
from moorage.registry.registry import Registry
from moorage.runtime.failure import startup_failure
from moorage.runtime.launch import refuse_missing, revision_in
from moorage.startup import EXIT_CODES, MAX_REPORT_BYTES, Cause
from moorage.store import open_store

_log = logging.getLogger("moorage.runtime.fetch")

_NEEDS: Final = (
    {environment.REVISION: "the revision as JSON", environment.REVISION_FILE: "the path of a file with it"},
    {environment.STORE_URL: "the URL of the store, such as s3://bucket/prefix"},
    {environment.MODEL_FILES_PATH: "a folder that the model files are fetched to"},
    {environment.ARTIFACT_FILES_PATH: "a folder that the artifact files are fetched to"},
)


def main(environ: Mapping[str, str]) -> int:
    """Fetches what the environment names; the exit code says why it could not."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("botocore", "boto3", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    name = ""
    try:
        refuse_missing(environ, _NEEDS)
        revision = revision_in(environ)
        name = revision.environment
        fetch(
            environ[environment.STORE_URL],
            revision,
            model_files=Path(environ[environment.MODEL_FILES_PATH]),
            artifact_files=Path(environ[environment.ARTIFACT_FILES_PATH]),
            component=Component(environ.get(environment.COMPONENT, Component.PREDICTOR)),
        )
    except Exception as exc:  # noqa: BLE001 - the edge of the process
        failure = startup_failure(exc, environment=name)
        if failure.cause is Cause.INTERNAL and not isinstance(exc, CallerError):
            _log.error("not fetched", exc_info=exc)
        last = " ".join(filter(None, (f"{failure.cause}: {failure.message}", failure.expected, failure.mend)))
        _leave_last_word(environ.get(environment.REPORT_FILE), last)
        print(last, file=sys.stderr, flush=True)  # noqa: T201 - the last line is the contract
        return EXIT_CODES[failure.cause]
    _log.info("the files of revision %d are there, verified", revision.number)
    return 0


def _leave_last_word(path: str | None, text: str) -> None:
    if not path:
        return
    try:
        Path(path).write_bytes(text.encode(errors="replace")[:MAX_REPORT_BYTES])
    except OSError as exc:
        _log.warning("the termination message could not be written: %s", exc)


def fetch(
    store_url: str,
    revision: Revision,
    *,
    model_files: Path,
    artifact_files: Path,
    component: Component = Component.PREDICTOR,
) -> None:
    """Makes the two folders hold exactly what the revision was resolved to; what is there already is not fetched again.

    Args:
        model_files: becomes the folder of the model files.
        artifact_files: becomes the folder of the artifact files; empty for artifact version 0.
        component: a transformer gets no model files.

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
    if component is Component.PREDICTOR:
        registry.download_model(model, model_files)
    registry.download_artifact(artifact, artifact_files)


def _check(what: str, *, found: str, expected: str) -> None:
    if found != expected:
        raise IntegrityError(
            f"The store holds another {what} than this revision was made for: its digest is {found!r}.",
            f"The revision names {expected!r}.",
            "See whether the store is the right one; if it is, deploy again to make a new revision.",
        )


if __name__ == "__main__":
    sys.exit(main(os.environ))
