"""How fast do many small files go up and down? `python tests/benchmarks/transfer_many.py [--delay-ms 25]`.

Moorage publishes them as a model version and downloads that: it claims a number, lists what it sent, writes the
manifest, finds the version, and knows the SHA-256 of each file. "Files alone" is what of that moves and hashes them.
The others move bytes and verify nothing; nothing is added to what they take. All take turns, in one process, against
one S3 server on this machine.

With `--delay-ms` each of the server's answers takes so much longer, as over a long line. Who sends one file after the
other then gets fewer of them, and seconds of CPU are extrapolated.

All peers, in an environment of their own:

    python -m venv ../peers && ../peers/bin/pip install -e '.[s3,fast]' -r tests/benchmarks/peers.txt
    ../peers/bin/python tests/benchmarks/transfer_many.py --rounds 5
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rich.console import Console

from tests.benchmarks.contenders import (
    BUCKET,
    Boto3,
    Contender,
    MLflow,
    Moorage,
    MoorageFiles,
    Obstore,
    S5cmd,
    installed,
)
from tests.benchmarks.contest import Contest, Took, Trial, emptied, same_bytes, timed, turns, write_random
from tests.benchmarks.slow_proxy import slowed
from tests.seaweed import Seaweed, running_seaweed

FILE_BYTES = 10 << 10
GOALS: dict[str, float | None] = {"MLflow": 5, "obstore": 0.9, "boto3": None}
GOALS_FAR_AWAY: dict[str, float | None] = {"MLflow": 5, "obstore": None, "boto3": None}
ONE_BY_ONE = ("boto3", "MLflow")
SERVER_MEMORY = "4GiB"


def main() -> int:
    parser = argparse.ArgumentParser(description="Many small files up and down.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--delay-ms", type=float, default=0, help="added to each answer of the server")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running_seaweed(memory_limit=SERVER_MEMORY))
        server.create_bucket(BUCKET)
        os.environ.update(server.variables)
        if arguments.delay_ms:
            os.environ["AWS_ENDPOINT_URL"] = stack.enter_context(slowed(server.endpoint_url, arguments.delay_ms))
        run(server, folder, files=arguments.files, rounds=arguments.rounds, delay_ms=arguments.delay_ms)
    return 0


def run(server: Seaweed, folder: Path, *, files: int, rounds: int, delay_ms: float) -> None:
    contenders, missing = installed(
        lambda: Moorage(fast=True), MoorageFiles, lambda: Moorage(fast=False), Boto3, MLflow, obstore, S5cmd
    )
    few = max(1, files // 5) if delay_ms else files
    counts = {each.name: few if each.name.startswith(ONE_BY_ONE) else files for each in contenders}
    for count in {1, *counts.values()}:
        write_files(folder / str(count), count)
    # Whoever opens connections and reads credentials has done so before it counts.
    for contender in contenders:
        one_turn(contender, folder / "1", folder / "fetched", "warm")
    emptied(server, BUCKET)
    up, down = (contest(way, files, few, delay_ms) for way in ("up", "down"))
    for number, contender in enumerate(turns(contenders, rounds)):
        count = counts[contender.name]
        sent, received = one_turn(contender, folder / str(count), folder / "fetched", f"turn_{number}")
        for each, took in ((up, sent), (down, received)):
            rate = count / took.seconds
            each.add(contender.name, Trial(rate, rate, took.cpu_s * files / count))
        emptied(server, BUCKET)
    Console(width=130).print(up.table(missing), down.table(missing))


def obstore() -> Contender:
    return Obstore("obstore, 32 at once")


def contest(way: str, files: int, few: int, delay_ms: float) -> Contest:
    what = f"{files:,} x {FILE_BYTES >> 10} KiB {way}"
    if not delay_ms:
        return Contest(what, "files/s", GOALS)
    notes = {} if few == files else dict.fromkeys(("boto3", "MLflow, direct S3"), f" (rate of {few} files)")
    return Contest(f"{what}, each answer {delay_ms:g} ms later", "files/s", GOALS_FAR_AWAY, notes)


def one_turn(contender: Contender, files: Path, fetched: Path, name: str) -> tuple[Took, Took]:
    """What it costs up and down."""
    name = "".join(filter(str.isalnum, contender.name)) + f"_{name}"
    # What was written before is not to be written to the disk meanwhile.
    os.sync()
    sent = timed(lambda: contender.send_folder(files, name))
    received = timed(lambda: contender.fetch_folder(name, fetched))
    there, expected = (sorted(path.name for path in place.iterdir()) for place in (fetched, files))
    assert there == expected, f"{contender.name} fetched {len(there)} of {len(expected)} files"
    assert all(same_bytes(files / each, fetched / each) for each in there), f"{contender.name} fetched something else"
    shutil.rmtree(fetched)
    return sent, received


def write_files(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        write_random(folder / f"{number:05}", FILE_BYTES)


if __name__ == "__main__":
    sys.exit(main())
