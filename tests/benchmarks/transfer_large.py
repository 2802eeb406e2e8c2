"""How fast does one large file go up and down, verified? `python tests/benchmarks/transfer_large.py`.

Moorage hashes while it sends and while it receives. The others do not hash: whoever wants to know that the bytes are
right runs SHA-256 over the file, before sending it and after receiving it, and that is counted; what they take without
it stands beside. All take turns, in one process, against one S3 server on this machine; what lay in the store is
deleted after each turn, but its disk space is not freed at once: each turn takes as much again.

All peers, in an environment of their own:

    python -m venv ../peers && ../peers/bin/pip install -e '.[s3,fast]' -r tests/benchmarks/peers.txt
    ../peers/bin/python tests/benchmarks/transfer_large.py --rounds 5
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rich.console import Console

from moorage.store.hashing import fingerprint_of
from tests.benchmarks.contenders import (
    BUCKET,
    Boto3,
    Contender,
    Moorage,
    Obstore,
    ObstoreRanges,
    S5cmd,
    installed,
)
from tests.benchmarks.contest import Contest, Took, Trial, emptied, removed, same_bytes, timed, turns, write_random
from tests.seaweed import Seaweed, running_seaweed

MIB = 1 << 20
GOALS: dict[str, dict[str, float | None]] = {
    "up": {"boto3": 1.3, "obstore": None, "s5cmd": None},
    "down": {"boto3": None, "obstore": 1.0, "s5cmd": None},
}
# So much that its garbage collector does not decide.
SERVER_MEMORY = "4GiB"


def main() -> int:
    parser = argparse.ArgumentParser(description="One large file up and down, verified.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=1024, help="of the file, in MiB")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_seaweed(memory_limit=SERVER_MEMORY) as server:
        server.create_bucket(BUCKET)
        os.environ.update(server.variables)
        run(server, Path(folder), size=arguments.size * MIB, rounds=arguments.rounds)
    return 0


def run(server: Seaweed, folder: Path, *, size: int, rounds: int) -> None:
    contenders, missing = installed(
        lambda: Moorage(fast=True), lambda: Moorage(fast=False), Boto3, Obstore, ObstoreRanges, S5cmd
    )
    file, small = folder / "file", folder / "small"
    write_random(file, size)
    write_random(small, 1024)
    # Whoever opens connections and reads credentials has done so before it counts.
    for contender in contenders:
        one_turn(contender, small, folder / "fetched")
    up, down = (Contest(f"{size // MIB} MiB {way}", "MiB/s", goals) for way, goals in GOALS.items())
    for contender in turns(contenders, rounds):
        for contest, (whole, bare) in zip((up, down), one_turn(contender, file, folder / "fetched"), strict=True):
            contest.add(contender.name, Trial(size / MIB / whole.seconds, size / MIB / bare.seconds, whole.cpu_s))
        emptied(server, BUCKET)
    Console(width=130).print(up.table(missing), down.table(missing))


def one_turn(contender: Contender, file: Path, fetched: Path) -> tuple[tuple[Took, Took], tuple[Took, Took]]:
    """What it costs up and down, each verified and not."""
    key = f"{contender.name.replace(' ', '-')}/{file.name}"
    removed(fetched)
    hashed = nothing = Took(0, 0)
    # What was written before is not to be written to the disk meanwhile.
    os.sync()
    if not contender.verifies:
        hashed = timed(lambda: fingerprint_of(file))
    sent = timed(lambda: contender.send(file, key))
    os.sync()
    received = timed(lambda: contender.fetch(key, fetched))
    hashed_again = nothing if contender.verifies else timed(lambda: fingerprint_of(fetched))
    assert same_bytes(file, fetched), f"{contender.name} fetched something else"
    removed(fetched)
    return (hashed + sent, sent), (received + hashed_again, received)


if __name__ == "__main__":
    sys.exit(main())
