"""How much memory do a large upload and download take? `python tests/benchmarks/memory.py`.

Each is a process of its own, against one S3 server on this machine: its largest resident set while it ran, above the
one that it had when all was imported.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import psutil
from rich.console import Console
from rich.table import Table

from moorage.store.hashing import Fingerprint
from moorage.store.s3 import S3Store
from moorage.store.transfer import Wanted, download, send_file
from tests.benchmarks.contest import emptied, same_bytes, write_random
from tests.seaweed import Seaweed, running_seaweed

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
GOAL_MIB = 200
BUCKET = "benchmark"
SERVER_MEMORY = "4GiB"
STATUS = Path("/proc/self/status")


def main() -> int:
    parser = argparse.ArgumentParser(description="Memory of a large upload and download.")
    parser.add_argument("--size", type=int, default=4096, help="of the file, in MiB")
    size = parser.parse_args().size * MIB
    table = Table(f"{size // MIB:,} MiB", "peak RSS above import, MiB", f"goal ≤ {GOAL_MIB}", "RSS after import, MiB")
    with tempfile.TemporaryDirectory() as folder, running_seaweed(memory_limit=SERVER_MEMORY) as server:
        server.create_bucket(BUCKET)
        os.environ.update({**server.variables, "PYTHONPATH": str(ROOT)})
        file = Path(folder) / "file"
        write_random(file, size)
        for way in ("fast", "boto3"):
            name = "with obstore" if way == "fast" else "boto3 alone"
            for direction, peak, imported in transfers(server, way, file):
                verdict = "[green]met" if peak <= GOAL_MIB * MIB else "[red]missed"
                cells = (f"{peak / MIB:.0f}", verdict, f"{imported / MIB:.0f}")
                table.add_row(f"{direction}, {name}", *cells)
    Console(width=110).print(table)
    return 0


def transfers(server: Seaweed, way: str, file: Path) -> list[tuple[str, int, int]]:
    """Up and down: the peak above import, and what it is above."""
    fetched = file.with_name("fetched")
    up = in_child("up", way, file)
    down = in_child("down", way, fetched, up["size"], up["sha256"])
    assert same_bytes(file, fetched)
    fetched.unlink()
    emptied(server, BUCKET)
    return [(name, told["peak"] - told["imported"], told["imported"]) for name, told in (("up", up), ("down", down))]


def in_child(*arguments: object) -> dict[str, int]:
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)  # type: ignore[no-any-return]


def child(direction: str, way: str, path: str, size: str = "", sha256: str = "") -> int:
    """One transfer; prints what was resident."""
    if way == "fast":
        # Loaded with the first request otherwise.
        import moorage.store.s3_fast  # noqa: F401
    store = S3Store(BUCKET, fast=way == "fast")
    imported = psutil.Process().memory_info().rss
    if direction == "up":
        sent = send_file(store, "file", Path(path))
    else:
        sent = Fingerprint(int(size), sha256)
        download(store, [Wanted("file", sent, Path(path))])
    print(json.dumps({"imported": imported, "peak": peak(), "size": sent.size, "sha256": sent.sha256}))
    return 0


def peak() -> int:
    """The largest resident set of this process, in bytes."""
    if STATUS.exists():
        # What `getrusage` says was the parent's, if that was larger.
        found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
        assert found is not None
        return int(found[1]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(child(*sys.argv[2:]) if sys.argv[1:2] == ["--child"] else main())
