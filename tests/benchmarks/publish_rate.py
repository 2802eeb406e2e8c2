"""How many versions a second can be published by many at once? `python tests/benchmarks/publish_rate.py`.

Eight processes publish three files of 30 KB each, again and again, as new versions of one model: over the directory
store and over a real S3 server on this machine, ten seconds each.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rich.console import Console
from rich.table import Table

from moorage.registry.keys import Keys
from moorage.store import open_store
from moorage.store.base import ObjectStore
from tests.seaweed import running_seaweed

ROOT = Path(__file__).parents[2]
WRITERS = 8
SECONDS = 10
BUCKET = "benchmark"
KEYS = Keys("benchmark")
# Store, goal, and whether obstore may move single objects.
STORES = {
    "directory": (80, None),
    "SeaweedFS, boto3": (25, False),
    "SeaweedFS, obstore": (25, True),
}

# Waits until all are ready, publishes until its time is over, and says how often, and how many claims it tried.
WRITER = """
import sys, time
from pathlib import Path
from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.store import open_store
store, folder, seconds = open_store(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
if sys.argv[4] != "None":
    store = type(store)("benchmark", sys.argv[1].rpartition("/")[2], fast=sys.argv[4] == "True")
registry, put, claims = Registry(store, "benchmark"), store.put_if_absent, 0
def counting(key, body):
    global claims
    claims += key.endswith("-claim.json")
    return put(key, body)
store.put_if_absent = counting
store.put_if_absent(f"ready/{folder.name}", b"")
print("ready", flush=True)
sys.stdin.readline()
ends, published = time.monotonic() + seconds, 0
while time.monotonic() < ends:
    for path in "abc":
        (folder / path).write_bytes(f"{folder.name} {published} {path} ".encode().ljust(30_000, b"."))
    registry.publish("iris", ModelSource(path=str(folder)), actor=folder.name)
    published += 1
print(published, claims)
"""


@dataclass(frozen=True)
class Outcome:
    """What all writers did together."""

    published: int
    claims: int
    holes: int


def main() -> int:
    table = Table("store", "versions/s", "goal", "claims tried per version", "holes")
    with tempfile.TemporaryDirectory() as folder, running_seaweed() as server:
        server.create_bucket(BUCKET)
        os.environ.update(server.variables)
        for name, (goal, fast) in STORES.items():
            url = (Path(folder) / "store").as_uri() if fast is None else f"s3://{BUCKET}/fast-{fast}"
            outcome = run(open_store(url), Path(folder), fast=fast)
            tried = f"{outcome.claims / outcome.published:.2f}"
            table.add_row(name, f"{outcome.published / SECONDS:.1f}", str(goal), tried, str(outcome.holes))
    Console(width=100).print(table)
    return 0


def run(store: ObjectStore, folder: Path, *, fast: bool | None) -> Outcome:
    with ExitStack() as stack:
        folders = [folder / f"writer-{number}" for number in range(WRITERS)]
        writers = [stack.enter_context(started(store.url, each, fast=fast)) for each in folders]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        counts = [tuple(map(int, writer.communicate()[0].split())) for writer in writers]
    published, claims = (sum(column) for column in zip(*counts, strict=True))
    taken = {KEYS.number_of(found.key, "iris") for found in store.list(KEYS.numbers("iris"))}
    return Outcome(published, claims, holes=max(taken) - published)


def started(url: str, folder: Path, *, fast: bool | None) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", WRITER, url, str(folder), str(SECONDS), str(fast)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    sys.exit(main())
