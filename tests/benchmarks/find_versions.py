"""How long does it take to find a model version among 10,000? `python tests/benchmarks/find_versions.py`.

Over the directory store and over a real S3 server on this machine. The last checkpoint is five versions old, and the
references log has an entry: what a reader meets on an ordinary day.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from obstore.store import S3Store as FastStore
from rich.console import Console
from rich.table import Table

from moorage.predictor import Framework, Lineage
from moorage.registry.checkpoints import Checkpoint, _packed
from moorage.registry.keys import Keys
from moorage.registry.record import Claim, FileEntry, ModelVersion, tree_digest
from moorage.registry.registry import Registry
from moorage.store.base import ObjectStore
from moorage.store.directory import DirectoryStore
from moorage.store.s3 import S3Store
from tests.seaweed import Seaweed, running_seaweed

VERSIONS = 10_000
AFTER_CHECKPOINT = 5
ROUNDS = 30
BUCKET = "benchmark"
KEYS = Keys("benchmark")
# What is asked, and within how many milliseconds it should be answered. A process that asks again has read what never
# changes, so it is also measured what the first answer costs, where nothing but the connections is there.
GOALS: dict[str, tuple[Callable[[Registry], object], int | None]] = {
    "resolve 'latest', first": (lambda registry: again(registry).get("iris"), None),
    "resolve 'latest'": (lambda registry: registry.get("iris"), 10),
    "resolve an alias": (lambda registry: registry.get("iris", "champion"), None),
    "list all, first": (lambda registry: again(registry).versions("iris"), None),
    "list all": (lambda registry: registry.versions("iris"), 50),
}


def main() -> int:
    table = Table("store", f"among {VERSIONS:,} versions", "median ms", "p90 ms", "goal ms")
    with tempfile.TemporaryDirectory() as folder, running_seaweed() as server:
        server.create_bucket(BUCKET)
        os.environ.update(server.variables)
        fill_bucket(server)
        stores: dict[str, ObjectStore] = {
            "directory": in_directory(Path(folder)),
            "SeaweedFS, boto3": S3Store(BUCKET, fast=False),
            "SeaweedFS, obstore": S3Store(BUCKET, fast=True),
        }
        for name, store in stores.items():
            registry = Registry(store, KEYS.project)
            registry.references("iris").move_aliases({"champion": VERSIONS // 2}, actor="ann", reason="best so far")
            assert (registry.get("iris").version, len(registry.versions("iris"))) == (VERSIONS, VERSIONS)
            for what, (ask, goal) in GOALS.items():
                median, p90 = timed(lambda ask=ask, registry=registry: ask(registry))  # type: ignore[misc]
                table.add_row(name, what, f"{median:.1f}", f"{p90:.1f}", str(goal or ""))
    Console(width=100).print(table)
    return 0


def again(registry: Registry) -> Registry:
    """Another registry on the same connections, which has read nothing yet."""
    return Registry(registry._access.store, KEYS.project)


def timed(ask: Callable[[], object]) -> tuple[float, float]:
    """Median and 90th percentile, in milliseconds."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        ask()
        took.append(1000 * (time.perf_counter() - began))
    took.sort()
    return took[ROUNDS // 2], took[ROUNDS * 9 // 10]


def in_directory(root: Path) -> ObjectStore:
    store = DirectoryStore(root)
    store.put_if_absent("ready", b"")
    # Straight into the folder: without an fsync each, they take seconds.
    for key, content in objects():
        place = root / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return store


def fill_bucket(server: Seaweed) -> None:
    fast = FastStore(
        BUCKET,
        endpoint=server.endpoint_url,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda item: fast.put(*item), objects()))


def objects() -> Iterator[tuple[str, bytes]]:
    """What `VERSIONS` publishes would have left of records."""
    claim = json.dumps(Claim("ann", "host", "2025-03-09T08:07:06.005Z").to_json()).encode()
    for model in models():
        yield KEYS.claim("iris", model.version), claim
        yield KEYS.manifest("iris", model.version), json.dumps(model.to_json()).encode()
    newest = VERSIONS - AFTER_CHECKPOINT
    committed = {model.version: model.summary for model in models() if model.version <= newest}
    yield KEYS.checkpoint("iris", newest), _packed(Checkpoint(newest, committed))


def models() -> Iterator[ModelVersion]:
    model = ModelVersion(
        project=KEYS.project,
        name="iris",
        version=0,
        framework=Framework.SKLEARN,
        digest="",
        files=(),
        metrics={},
        description="",
        input_example=[[5.1, 3.5, 1.4, 0.2]],
        schema=None,
        lineage=Lineage(),
        attachments=(),
        created_at="2025-03-09T08:07:06.005Z",
        created_by="ann",
    )
    for version in range(1, VERSIONS + 1):
        files = tuple(FileEntry(path, 30_000 + version, f"{version:x}".rjust(64, "a")) for path in ("a", "b", "c"))
        yield replace(
            model,
            version=version,
            files=files,
            digest=tree_digest(files),
            metrics={"accuracy": 1 - 1 / version, "loss": 1 / (version + 1)},
            description=f"trained on day {version}",
        )


if __name__ == "__main__":
    sys.exit(main())
