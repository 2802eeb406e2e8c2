"""How many bytes does publishing send that the store has already? `python tests/benchmarks/bytes_moved.py`.

Counted by a proxy between the publisher and a real S3 server on this machine: every byte of every request. A publisher
is a process of its own, and is killed with signal 9 when half of the bytes have passed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rich.console import Console
from rich.table import Table

from tests.benchmarks.contest import write_random
from tests.benchmarks.counting_proxy import CountingProxy, counted
from tests.seaweed import running_seaweed
from tests.waiting import until

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
BUCKET = "benchmark"
FILES = 20
PART_BYTES = 16 * MIB
# All requests of a publish without the files: headers, the claim, the manifest.
OVERHEAD_BYTES = 256 << 10
SERVER_MEMORY = "4GiB"

PUBLISHER = """
import sys
from moorage.predictor import ModelSource
from moorage.registry.registry import Registry
from moorage.store.s3 import S3Store
bucket, name, path, fast = sys.argv[1:]
Registry(S3Store(bucket, fast=fast == "fast"), "benchmark").publish(name, ModelSource(path=path))
"""


@dataclass(frozen=True)
class Row:
    """A publish: what it sent, and what it should have sent at most, in bytes."""

    what: str
    sent: int
    goal: int
    why: str


def main() -> int:
    parser = argparse.ArgumentParser(description="Bytes that publishing sends.")
    parser.add_argument("--file-mib", type=int, default=8, help=f"the size of each of {FILES} files")
    parser.add_argument("--single-mib", type=int, default=256, help="the size of the single file")
    parser.add_argument("--boto3-alone", action="store_true", help="without obstore, though it is installed")
    arguments = parser.parse_args()
    way = "boto3" if arguments.boto3_alone else "fast"
    table = Table("published", "MiB sent", "goal: at most", "", "which is")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_seaweed(memory_limit=SERVER_MEMORY) as server,
        counted(server.endpoint_url) as proxy,
    ):
        server.create_bucket(BUCKET)
        os.environ.update({**server.variables, "AWS_ENDPOINT_URL": proxy.url, "PYTHONPATH": str(ROOT)})
        bench = Bench(proxy, Path(folder), way)
        # The store is proven once; that is not what is counted.
        bench.publish("warm", bench.files("warm", {"file": 1}))
        rows = bench.many(arguments.file_mib * MIB) + bench.single(arguments.single_mib * MIB)
    for row in rows:
        verdict = "[green]met" if row.sent <= row.goal + OVERHEAD_BYTES else "[red]missed"
        table.add_row(row.what, f"{row.sent / MIB:.2f}", f"{row.goal / MIB:.0f}", verdict, row.why)
    table.caption = f"{OVERHEAD_BYTES >> 10} KiB more are let pass: requests have headers, and there are records."
    Console(width=130).print(table)
    return 0


@dataclass(frozen=True)
class Bench:
    """Publishers, and what they send."""

    proxy: CountingProxy
    folder: Path
    way: str

    def many(self, size: int) -> list[Row]:
        """Twenty files: as they are, again, one changed, and killed at half."""
        names = [f"{number:02}" for number in range(FILES)]
        files = self.files("many", dict.fromkeys(names, size))
        what = f"{FILES} files x {size / MIB:g} MiB"
        rows = [
            Row(what, self.publish("many", files), FILES * size, "all of it"),
            Row("  again, unchanged", self.publish("many", files), 0, "nothing"),
        ]
        write_random(files / names[FILES // 2], size)
        rows.append(Row(f"  again, one of {FILES} changed", self.publish("many", files), size, "one file"))
        killed = self.files("killed", dict.fromkeys(names, size))
        return [*rows, *self.killed_at_half(what, "killed", killed, FILES * size, min(size, PART_BYTES))]

    def single(self, size: int) -> list[Row]:
        """One large file, killed at half."""
        files = self.files("single", {"model": size})
        return self.killed_at_half(f"one file of {size / MIB:g} MiB", "single", files, size, PART_BYTES)

    def killed_at_half(self, what: str, name: str, files: Path, total: int, part: int) -> list[Row]:
        self.proxy.sent = 0
        with self.started(name, files) as publisher:
            until(lambda: self.proxy.sent >= total // 2 or publisher.poll() is not None, timeout_s=600)
            assert publisher.poll() is None, "it had ended before it could be killed"
            under_way = self.proxy.under_way(least=1024)
            publisher.kill()
        # What it had handed over to its machine travels on.
        until(lambda: self.proxy.is_idle, timeout_s=60)
        sent = self.proxy.sent
        missing = max(0, total - sent)
        return [
            Row(f"{what}, killed at half", sent, sent, "as it happened"),
            Row(
                "  run again",
                self.publish(name, files),
                missing + under_way * part,
                f"the missing {missing / MIB:.0f} MiB, and {under_way} x {part / MIB:g} MiB that were under way",
            ),
        ]

    def publish(self, name: str, files: Path) -> int:
        """Bytes sent."""
        self.proxy.sent = 0
        with self.started(name, files) as publisher:
            assert publisher.wait() == 0, "the publisher failed"
        return self.proxy.sent

    def started(self, name: str, files: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", PUBLISHER, BUCKET, name, str(files), self.way])

    def files(self, name: str, sizes: dict[str, int]) -> Path:
        folder = self.folder / name
        folder.mkdir()
        for path, size in sizes.items():
            write_random(folder / path, size)
        return folder


if __name__ == "__main__":
    sys.exit(main())
