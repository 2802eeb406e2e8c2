"""What a model server is told by its environment."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from moorage import environment
from moorage.deployment import Revision
from moorage.errors import CallerError, PredictorScriptError
from moorage.startup import Cause

# What each variable holds, for whoever starts the runtime by hand.
_WANTED: Final = {
    environment.REVISION_FILE: "the path of a file with the revision as JSON",
    environment.STORE_URL: "the URL of the store, such as file:///srv/moorage",
    environment.REPORT_FILE: "the path of a file to report the start to",
    environment.LISTEN_FD: "the number of an inherited file descriptor, a listening socket",
    environment.MODEL_FILES_PATH: "a folder that the model files are fetched to",
    environment.ARTIFACT_FILES_PATH: "a folder that the artifact files are fetched to",
}


@dataclass(frozen=True)
class Launch:
    """One start of one revision's model server."""

    revision: Revision
    store_url: str
    report_file: Path
    listen_fd: int
    model_files: Path
    artifact_files: Path

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Launch:
        """The launch that these variables describe.

        Raises:
            CallerError: a variable is missing or holds what it should not; the message names all that are missing.
        """
        missing = [f"{name} ({meaning})" for name, meaning in _WANTED.items() if not environ.get(name)]
        if missing:
            raise CallerError(
                f"The model server cannot start: {', '.join(missing)} not set.",
                "The serving tool's backend normally sets it when a deployment is started.",
                "Use `moorage deployment start NAME`, or set it by hand.",
            )
        return cls(
            revision=_revision_in(Path(environ[environment.REVISION_FILE])),
            store_url=environ[environment.STORE_URL],
            report_file=Path(environ[environment.REPORT_FILE]),
            listen_fd=_number_in(environ[environment.LISTEN_FD]),
            model_files=Path(environ[environment.MODEL_FILES_PATH]),
            artifact_files=Path(environ[environment.ARTIFACT_FILES_PATH]),
        )

    def listener(self) -> socket.socket:
        """The inherited socket; processes that the script starts do not inherit it again.

        Raises:
            CallerError: the file descriptor is no listening socket.
        """
        try:
            listener = socket.socket(fileno=self.listen_fd)
            listener.getsockname()
        except OSError as exc:
            raise CallerError(
                f"{environment.LISTEN_FD} is {self.listen_fd}, which is no open socket: {exc.strerror}.",
                "Expected a listening socket, inherited from the process that started this one.",
                "Pass it on: subprocess.Popen(…, pass_fds=[listener.fileno()]).",
            ) from exc
        listener.set_inheritable(False)
        return listener

    def script(self) -> Path:
        """Where the predictor script lies once it is fetched.

        Raises:
            PredictorScriptError: the revision has none.
        """
        name = self.revision.artifact.script_file
        if name is None:
            raise PredictorScriptError(
                f"Revision {self.revision.number} of deployment {self.revision.deployment!r} has no predictor script.",
                "Expected one: model server PYTHON answers with the class of a predictor script.",
                "Set script_file in the specification.",
                cause=Cause.SCRIPT_MISSING,
                file="",
                line=None,
            )
        return self.artifact_files / name


def _revision_in(path: Path) -> Revision:
    try:
        return Revision.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise CallerError(
            f"{environment.REVISION_FILE} names {str(path)!r}, which cannot be read: {exc}",
            "Expected a revision as JSON.",
            "Its backend writes it; start the deployment again.",
        ) from exc


def _number_in(text: str) -> int:
    if text.isdecimal():
        return int(text)
    raise CallerError(
        f"{environment.LISTEN_FD} is {text!r}.", f"Expected {_WANTED[environment.LISTEN_FD]}.", "Set a number."
    )
