from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from moorage.deployment import ResolvedArtifact, ResolvedModel, Revision
from moorage.startup import StartupReport

# The runtime with files that are already there: what fetches them is tested beside it.
_RUNTIME = "import sys; from moorage.runtime.__main__ import main; sys.exit(main(fetch=lambda launch: None))"


@dataclass
class Runtime:
    """One model server process, on a socket that the test keeps."""

    process: subprocess.Popen[str]
    listener: socket.socket
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)

    def ask(self, inputs: Any) -> httpx.Response:
        with self.client() as client:
            return client.post("/v1/models/iris:predict", json={"instances": inputs})

    def report(self) -> StartupReport:
        report = StartupReport.from_json((self.folder / "report.json").read_text())
        assert report is not None
        return report

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def until_ready(self, timeout_s: float = 20) -> None:
        wait_until(lambda: '"READY"' in self._reported() or self.process.poll() is not None, timeout_s)
        assert '"READY"' in self._reported(), self.log()

    def _reported(self) -> str:
        path = self.folder / "report.json"
        return path.read_text() if path.exists() else ""

    def ended(self) -> int:
        return self.process.wait(timeout=20)


StartRuntime = Callable[..., Runtime]


def wait_until(claim: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def start_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartRuntime]:
    started: list[Runtime] = []

    def start(
        source: str | None,
        *,
        command: tuple[str, ...] = ("-c", _RUNTIME),
        python: str = sys.executable,
        listener: socket.socket | None = None,
        store: Path | None = None,
        files: Mapping[str, str] | None = None,
        model_files: Mapping[str, str] | Path | None = None,
        variables: Mapping[str, str] | None = None,
        **revision: Any,
    ) -> Runtime:
        folder = tmp_path_factory.mktemp("deployment")
        listener = listener or socket.create_server(("127.0.0.1", 0))
        environ = {"MOORAGE_STORE": (store or folder / "store").as_uri(), **(variables or {})}
        (folder / "artifact").mkdir()
        for name, text in (files or {}).items():
            (folder / "artifact" / name).write_text(textwrap.dedent(text), encoding="utf-8")
        _put_model(folder / "model", model_files or {})
        runtime = _start(folder, source, (python, *command), listener, environ, revision)
        started.append(runtime)
        return runtime

    yield start
    for runtime in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            # what it started outlives a kill
            for child in psutil.Process(runtime.process.pid).children(recursive=True):
                child.kill()
        runtime.process.kill()
        runtime.process.wait()
        runtime.listener.close()


def _put_model(folder: Path, files: Mapping[str, str] | Path) -> None:
    if isinstance(files, Path):
        folder.symlink_to(files, target_is_directory=True)
        return
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _start(
    folder: Path,
    source: str | None,
    command: tuple[str, ...],
    listener: socket.socket,
    environ: dict[str, str],
    fields: dict[str, Any],
) -> Runtime:
    artifact_files = folder / "artifact"
    if source is not None:
        (artifact_files / "predictor.py").write_text(textwrap.dedent(source), encoding="utf-8")
    revision = make_revision(**fields)
    (folder / "revision.json").write_text(revision.model_dump_json())
    config = revision.artifact.config_file
    environ = {
        **({} if config is None else {"CONFIG_FILE_PATH": str(artifact_files / config)}),
        **os.environ,
        **environ,
        "MOORAGE_REVISION_FILE": str(folder / "revision.json"),
        "MOORAGE_REPORT_FILE": str(folder / "report.json"),
        "MOORAGE_LISTEN_FD": str(listener.fileno()),
        "MODEL_FILES_PATH": str(folder / "model"),
        "ARTIFACT_FILES_PATH": str(artifact_files),
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=environ, pass_fds=[listener.fileno()], stdout=log, stderr=log, text=True
        )
    return Runtime(process, listener, folder)


def make_revision(**fields: Any) -> Revision:
    return Revision.model_validate(
        {
            "project": "demo",
            "deployment": "iris",
            "number": 3,
            "model": ResolvedModel(name="iris", version=1, digest="sha256:aa", framework="PYTHON"),
            "artifact": ResolvedArtifact(version=1, digest="sha256:bb", script_file="predictor.py"),
            "model_server": "PYTHON",
            "serving_tool": "LOCAL",
            "environment": "pandas-inference-pipeline",
        }
        | fields
    )


@pytest.fixture
def waiting() -> Callable[..., None]:
    return wait_until
