"""Revision to command line: what the supervisor is asked to run (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from moorage import environment
from moorage.deployment import Revision
from moorage.serving.local.folder import DeploymentFolder, Wanted

# What a model server inherits besides what the specification declares. Everything else stays behind, as it would in a
# pod: a deployment must not work by the accident of somebody's shell.
_INHERITED: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|XDG_\w+|PYTHONPATH|(DY)?LD_LIBRARY_PATH"
    r"|CUDA_\w+|NVIDIA_\w+|OMP_\w+|OPENBLAS_\w+|MKL_\w+|AWS_\w+|KAFKA_\w+|SSL_CERT_\w+|(https?|no)_proxy|(HTTPS?|NO)_PROXY"
)


def wanted_state(
    revision: Revision,
    folder: DeploymentFolder,
    *,
    store_url: str,
    secrets: Path,
    logging: Mapping[str, str],
    interpreter: Path,
    token: str,
) -> Wanted:
    """What to ask of the supervisor so that this revision serves.

    Args:
        logging: the variables that say where exchanges are logged to.
    """
    model_files = folder.files / "models" / _folder_name(revision.model.digest)
    artifact_files = folder.files / "artifacts" / _folder_name(revision.artifact.digest)
    variables = environment.script_variables(revision, model_files=str(model_files), artifact_files=str(artifact_files))
    return Wanted(
        token=token,
        run=True,
        revision=revision.number,
        host=revision.local.host,
        port=revision.local.port,
        argv=(str(interpreter), "-m", "moorage.runtime"),
        variables=variables
        | (dict(logging) if revision.log_topic else {})
        | {
            environment.STORE_URL: store_url,
            environment.SECRETS: str(secrets),
            environment.REVISION_FILE: str(folder.revision_file(revision.number, token)),
            environment.REPORT_FILE: str(folder.report_file(revision.number, token)),
            # a log that is read while it is written
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
        },
        revision_json=revision.model_dump_json(),
        keep=(str(model_files), str(artifact_files)),
        identity=f"{revision.number} {revision.digest} {store_url}",
    )


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of a supervisor's own environment that its model servers get."""
    return {name: value for name, value in environ.items() if _INHERITED.fullmatch(name)}


def _folder_name(digest: str) -> str:
    return digest.removeprefix("sha256:") or "none"
