"""Who takes part in the transfer benchmarks: Moorage as it is, and others as their manuals have them used.

All find the server by AWS_ENDPOINT_URL and AWS_*, and use one bucket. To make one that is not installed raises
ModuleNotFoundError.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.store.hashing import Fingerprint
from moorage.store.s3 import S3Store
from moorage.store.transfer import Wanted, download, send_contents, send_file

BUCKET: Final = "benchmark"
_RANGE_BYTES: Final = 16 << 20
_RANGES_AT_ONCE: Final = 4
_OBJECTS_AT_ONCE: Final = 32


class Contender(Protocol):
    """Moves files; `verifies` when it knows afterwards that the bytes are right."""

    name: str
    verifies: ClassVar[bool]

    def send(self, path: Path, key: str) -> None: ...

    def fetch(self, key: str, path: Path) -> None: ...

    def send_folder(self, folder: Path, name: str) -> None: ...

    def fetch_folder(self, name: str, folder: Path) -> None: ...


class Moorage:
    """One file by `send_file` and `download`; a folder as a model version, with all of the registry's protocol."""

    verifies: ClassVar = True

    def __init__(self, *, fast: bool) -> None:
        if fast:
            import_module("obstore")
        self.name = "Moorage" if fast else "Moorage, boto3 alone"
        self._store = S3Store(BUCKET, fast=fast)
        self._sent: dict[str, Fingerprint] = {}

    def send(self, path: Path, key: str) -> None:
        self._sent[key] = send_file(self._store, key, path)

    def fetch(self, key: str, path: Path) -> None:
        download(self._store, [Wanted(key, self._sent[key], path)])

    def send_folder(self, folder: Path, name: str) -> None:
        Registry(self._store, "benchmark").publish(name, ModelSource(path=str(folder)))

    def fetch_folder(self, name: str, folder: Path) -> None:
        registry = Registry(self._store, "benchmark")
        registry.download_model(registry.get(name), folder)


class MoorageFiles(Moorage):
    """A folder's files alone, as a publish sends them and a download fetches them, without the registry around it."""

    def __init__(self) -> None:
        super().__init__(fast=True)
        self.name = "Moorage, files alone"

    def send_folder(self, folder: Path, name: str) -> None:
        files = _files(folder)
        contents = ((f"{name}/{path.name}", path.read_bytes()) for path in files)
        for path, sent in zip(files, send_contents(self._store, contents), strict=True):
            self._sent[f"{name}/{path.name}"] = sent

    def fetch_folder(self, name: str, folder: Path) -> None:
        folder.mkdir()
        sent = {key: sent for key, sent in self._sent.items() if key.startswith(f"{name}/")}
        download(self._store, [Wanted(key, sent[key], folder / key.removeprefix(f"{name}/")) for key in sent])


class Boto3:
    """`upload_file` and `download_file` with their defaults, one file after the other."""

    verifies: ClassVar = False

    def __init__(self) -> None:
        self.name = "boto3"
        self._client = import_module("boto3").client("s3")

    def send(self, path: Path, key: str) -> None:
        self._client.upload_file(str(path), BUCKET, key)

    def fetch(self, key: str, path: Path) -> None:
        self._client.download_file(BUCKET, key, str(path))

    def send_folder(self, folder: Path, name: str) -> None:
        for path in _files(folder):
            self.send(path, f"{name}/{path.name}")

    def fetch_folder(self, name: str, folder: Path) -> None:
        folder.mkdir()
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{name}/"):
            for item in page["Contents"]:
                self.fetch(item["Key"], folder / item["Key"].removeprefix(f"{name}/"))


class Obstore:
    """One file by `put` and as a stream; a folder by 32 coroutines. Bodies unsigned, else its defaults."""

    verifies: ClassVar = False
    _put: ClassVar[dict[str, Any]] = {}

    def __init__(self, name: str = "obstore, stream") -> None:
        self.name = name
        self._obstore = import_module("obstore")
        # Where it is and who we are it takes from AWS_*, as all others do. Signed bodies would cost it a third.
        options = {"client_options": {"allow_http": True}, "unsigned_payload": True}
        self._store = import_module("obstore.store").S3Store(BUCKET, **options)

    def send(self, path: Path, key: str) -> None:
        self._obstore.put(self._store, key, path, **self._put)

    def fetch(self, key: str, path: Path) -> None:
        with path.open("wb") as file:
            for chunk in self._obstore.get(self._store, key).stream():
                file.write(chunk)

    def send_folder(self, folder: Path, name: str) -> None:
        async def send(path: Path) -> None:
            await self._obstore.put_async(self._store, f"{name}/{path.name}", path.read_bytes(), use_multipart=False)

        asyncio.run(_each(send, _files(folder)))

    def fetch_folder(self, name: str, folder: Path) -> None:
        async def fetch(key: str) -> None:
            answer = await self._obstore.get_async(self._store, key)
            (folder / key.removeprefix(f"{name}/")).write_bytes(await answer.bytes_async())

        folder.mkdir()
        found = [item["path"] for page in self._obstore.list(self._store, f"{name}/") for item in page]
        asyncio.run(_each(fetch, found))


class ObstoreRanges(Obstore):
    """One file in pieces of 16 MiB, four at once, both ways."""

    _put: ClassVar = {"chunk_size": _RANGE_BYTES, "max_concurrency": _RANGES_AT_ONCE}

    def __init__(self) -> None:
        super().__init__("obstore, 4 x 16 MiB")

    def fetch(self, key: str, path: Path) -> None:
        size = self._obstore.head(self._store, key)["size"]
        with path.open("wb") as file, ThreadPoolExecutor(_RANGES_AT_ONCE) as pool:

            def fetch(start: int) -> None:
                end = min(start + _RANGE_BYTES, size)
                piece = self._obstore.get_range(self._store, key, start=start, end=end)
                assert os.pwrite(file.fileno(), piece, start) == end - start

            list(pool.map(fetch, range(0, size, _RANGE_BYTES)))


class S5cmd:
    """One process for each call; one file four parts at once, a folder with its defaults."""

    verifies: ClassVar = False

    def __init__(self) -> None:
        self.name = "s5cmd"
        beside = Path(sys.executable).with_name("s5cmd")
        found = str(beside) if beside.exists() else shutil.which("s5cmd")
        if found is None:
            raise ModuleNotFoundError("s5cmd")
        self._command = [found, "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], "--log", "error"]

    def send(self, path: Path, key: str) -> None:
        self._copy(str(path), f"s3://{BUCKET}/{key}", "-c", "4", "-p", "16")

    def fetch(self, key: str, path: Path) -> None:
        self._copy(f"s3://{BUCKET}/{key}", str(path), "-c", "4", "-p", "16")

    def send_folder(self, folder: Path, name: str) -> None:
        self._copy(f"{folder}/", f"s3://{BUCKET}/{name}/")

    def fetch_folder(self, name: str, folder: Path) -> None:
        self._copy(f"s3://{BUCKET}/{name}/*", f"{folder}/")

    def _copy(self, source: str, target: str, *options: str) -> None:
        subprocess.run([*self._command, "cp", *options, source, target], check=True)


class MLflow:
    """Its artifact repository that talks to S3 itself, without a tracking server between."""

    verifies: ClassVar = False

    def __init__(self) -> None:
        self.name = "MLflow, direct S3"
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        os.environ["MLFLOW_S3_ENDPOINT_URL"] = os.environ["AWS_ENDPOINT_URL"]
        self._open = import_module("mlflow.store.artifact.s3_artifact_repo").S3ArtifactRepository

    def send(self, path: Path, key: str) -> None:
        folder, _, _ = key.rpartition("/")
        self._open(f"s3://{BUCKET}/{folder}").log_artifact(str(path))

    def fetch(self, key: str, path: Path) -> None:
        folder, _, name = key.rpartition("/")
        self._open(f"s3://{BUCKET}/{folder}").download_artifacts(name, str(path.parent))

    def send_folder(self, folder: Path, name: str) -> None:
        self._open(f"s3://{BUCKET}/{name}").log_artifacts(str(folder))

    def fetch_folder(self, name: str, folder: Path) -> None:
        folder.mkdir()
        self._open(f"s3://{BUCKET}/{name}").download_artifacts("", str(folder))


def installed(*makers: Callable[[], Contender]) -> tuple[list[Contender], list[str]]:
    """Those that can take part, and what is missing for the others."""
    contenders, missing = [], []
    for make in makers:
        try:
            contenders.append(make())
        except ModuleNotFoundError as error:
            missing.append(error.name or str(error))
    return contenders, sorted(set(missing))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def _each(work: Callable[[Any], Awaitable[None]], items: Iterable[Any]) -> None:
    free = asyncio.Semaphore(_OBJECTS_AT_ONCE)

    async def one(item: Any) -> None:
        async with free:
            await work(item)

    await asyncio.gather(*map(one, items))
