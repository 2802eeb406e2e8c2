"""What a model server is told by its environment."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from moorage import environment
from moorage.components import Component
from moorage.deployment import Revision
from moorage.errors import CallerError, PredictorScriptError
from moorage.predictor import Framework
from moorage.secret_files import read_secret
from moorage.startup import Cause

# What each variable holds, for whoever starts the runtime by hand. Of two in one line, either will do.
_REVISION: Final = {
    environment.REVISION_FILE: "the path of a file with the revision as JSON",
    environment.REVISION: "the revision as JSON",
}
_REPORT: Final = {environment.REPORT_FILE: "the path of a file to report the start to"}
_LISTENER: Final = {
    environment.LISTEN_FD: "the number of an inherited file descriptor, a listening socket",
    environment.LISTEN_PORT: "the port to listen on",
}
_FOLDERS: Final = {
    environment.MODEL_FILES_PATH: "a folder that the model files are fetched to",
    environment.ARTIFACT_FILES_PATH: "a folder that the artifact files are fetched to",
}
_SERVER_NEEDS: Final = (_REVISION, _REPORT, _LISTENER, *({name: text} for name, text in _FOLDERS.items()))


@dataclass(frozen=True)
class Launch:
    """One start of one revision's model server.

    Attributes:
        store_url: where its files are fetched from; empty where they lie in their folders already, as in a pod whose
            first container fetched them.
        secrets_folder: of this machine's secrets; None in a pod, whose variables hold them already.
        component: what of the deployment it is.
        predictor_url: where a transformer asks the predictor.
        grpc_port: where gRPC is answered; None: nowhere.
        kafka, schema_registry: where exchanges are logged to, where they are.
        listen_fd: an inherited listening socket; None: the server opens `listen_port` itself.
    """

    revision: Revision
    store_url: str
    report_file: Path
    model_files: Path
    artifact_files: Path
    listen_fd: int | None = None
    listen_port: int | None = None
    secrets_folder: Path | None = None
    component: Component = Component.PREDICTOR
    predictor_url: str = ""
    kafka: str = ""
    schema_registry: str = ""
    grpc_port: int | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Launch:
        """The launch that these variables describe.

        Raises:
            CallerError: a variable is missing or holds what it should not; the message names all that are missing.
        """
        refuse_missing(environ, _SERVER_NEEDS)
        return cls(
            revision=revision_in(environ),
            store_url=environ.get(environment.STORE_URL, ""),
            report_file=Path(environ[environment.REPORT_FILE]),
            model_files=Path(environ[environment.MODEL_FILES_PATH]),
            artifact_files=Path(environ[environment.ARTIFACT_FILES_PATH]),
            listen_fd=_number_in(environ, environment.LISTEN_FD),
            listen_port=_number_in(environ, environment.LISTEN_PORT),
            grpc_port=_number_in(environ, environment.GRPC_PORT),
            component=Component(environ.get(environment.COMPONENT, Component.PREDICTOR)),
            predictor_url=environ.get(environment.PREDICTOR_URL, ""),
            kafka=environ.get(environment.KAFKA, ""),
            schema_registry=environ.get(environment.SCHEMA_REGISTRY, ""),
            secrets_folder=Path(environ[environment.SECRETS]) if environ.get(environment.SECRETS) else None,
        )

    def listener(self) -> socket.socket:
        """The inherited socket, or one bound to the port that is not listened on yet: until then callers are refused.

        Processes that the script starts do not inherit it again.

        Raises:
            CallerError: the file descriptor is no listening socket, or the port cannot be had.
        """
        listener = _bound(self.listen_port or 0) if self.listen_fd is None else _inherited(self.listen_fd)
        listener.set_inheritable(False)
        return listener

    def secrets(self) -> dict[str, str]:
        """The variables whose values are secrets of this machine. Raises SecretMissing for one that is not there."""
        folder = self.secrets_folder
        if folder is None:
            return {}
        return {
            each.name: read_secret(folder, each.secret, each.secret_key)
            for each in environment.variables_of(self.revision, self.component)
            if each.secret is not None
        }

    def transformer_script(self) -> Path | None:
        """Where the transformer script lies once it is fetched; None where the revision has none."""
        name = self.revision.artifact.transformer_file
        return None if name is None else self.artifact_files / name

    def script(self) -> Path:
        """Where the predictor script lies once it is fetched; ours where a scikit-learn model came without one.

        Raises:
            PredictorScriptError: the revision has none.
        """
        name = self.revision.artifact.script_file
        if name is None and self.revision.model.framework is Framework.SKLEARN:
            return Path(__file__).with_name("scripts") / "sklearn_predictor.py"
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


def refuse_missing(environ: Mapping[str, str], needs: Iterable[Mapping[str, str]]) -> None:
    """Raises CallerError for all of what is needed and not set; of the variables in one mapping one suffices."""
    missing = [
        " or ".join(f"{name} ({meaning})" for name, meaning in either.items())
        for either in needs
        if not any(environ.get(name) for name in either)
    ]
    if missing:
        raise CallerError(
            f"The model server cannot start: {', '.join(missing)} not set.",
            "The serving tool's backend normally sets it when a deployment is started.",
            "Use `moorage deployment start NAME`, or set it by hand.",
        )


def revision_in(environ: Mapping[str, str]) -> Revision:
    """The revision that the environment names. Raises CallerError for what is none."""
    path = environ.get(environment.REVISION_FILE)
    try:
        return Revision.model_validate_json(Path(path).read_bytes() if path else environ[environment.REVISION])
    except (OSError, ValidationError) as exc:
        where = f"{environment.REVISION_FILE} names {path!r}, which" if path else f"{environment.REVISION}"
        raise CallerError(
            f"{where} cannot be read: {exc}",
            "Expected a revision as JSON.",
            "Its backend writes it; start the deployment again.",
        ) from exc


def _number_in(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "")
    if not text:
        return None
    if text.isdecimal():
        return int(text)
    raise CallerError(f"{name} is {text!r}.", f"Expected {_LISTENER[name]}.", "Set a number.")


def _inherited(descriptor: int) -> socket.socket:
    try:
        listener = socket.socket(fileno=descriptor)
        listener.getsockname()
    except OSError as exc:
        raise CallerError(
            f"{environment.LISTEN_FD} is {descriptor}, which is no open socket: {exc.strerror}.",
            "Expected a listening socket, inherited from the process that started this one.",
            "Pass it on: subprocess.Popen(…, pass_fds=[listener.fileno()]).",
        ) from exc
    return listener


def _bound(port: int) -> socket.socket:
    """A socket on every address of the pod, for only its own network reaches them."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("", port))
    except (OSError, OverflowError) as exc:
        listener.close()
        raise CallerError(
            f"Port {port} cannot be listened on: {exc}.",
            f"{environment.LISTEN_PORT} names one that is free.",
            "Choose another, or end what listens there.",
        ) from exc
    return listener
