"""What does an inference logger cost whoever asks? `python tests/benchmarks/logged.py --kafka HOST:PORT`.

The same script with and without one, on LOCAL, in turns: how many requests a second are answered to callers who ask at
once, how long one caller alone waits, and how much processor time a request takes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.doubling import asked_alone, asked_at_once, end, published

SCRIPT = """
class Predictor:
    def predict(self, inputs):
        return [row[0] * 2 for row in inputs]
"""
LOGGERS = {"plain": None, "logged": "ALL"}


@dataclass
class Measured:
    """Of each round: requests a second, milliseconds of one alone, and milliseconds of processor time a request."""

    rates: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--kafka", required=True, help="HOST:PORT of a broker")
    options.add_argument("--schema-registry", default="")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--callers", type=int, default=8)
    options.add_argument("--seconds", type=float, default=4)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"MOORAGE_HOME": folder, "MOORAGE_KAFKA": given.kafka}
        os.environ |= {"MOORAGE_SCHEMA_REGISTRY": given.schema_registry} if given.schema_registry else {}
        urls = deployed(Path(folder))
        try:
            show(measured(urls, given.rounds, given.callers, given.seconds), given.callers)
        finally:
            end(urls)


def deployed(folder: Path) -> dict[str, str]:
    """By the deployment's name, where it is asked."""
    model = published(folder, SCRIPT)
    urls = {}
    for name, mode in LOGGERS.items():
        options: dict[str, Any] = {} if mode is None else {"inference_logger": mode}
        made = model.deploy(name, script_file=str(folder / "predictor.py"), **options)
        urls[name] = f"{made.get_url()}/v1/models/{name}:predict"
    return urls


def measured(urls: dict[str, str], rounds: int, callers: int, seconds: float) -> dict[str, Measured]:
    found = {name: Measured() for name in urls}
    for number in range(rounds):
        for name in sorted(urls, reverse=bool(number % 2)):
            server = server_of(name)
            before = sum(server.cpu_times()[:2])
            answered = asked_at_once(urls[name], callers, seconds)
            found[name].work.append((sum(server.cpu_times()[:2]) - before) * 1000 / answered)
            found[name].rates.append(answered / seconds)
            found[name].alone.append(asked_alone(urls[name]))
    return found


def show(found: dict[str, Measured], callers: int) -> None:
    table = Table("", f"requests/s of {callers} callers", "ms of one alone", "CPU ms a request")
    columns = ("rates", "alone", "work")
    for name, each in found.items():
        table.add_row(name, *(f"{statistics.median(getattr(each, column)):.2f}" for column in columns))
    ratios = [
        statistics.median(
            logged / plain
            for logged, plain in zip(getattr(found["logged"], column), getattr(found["plain"], column), strict=True)
        )
        for column in columns
    ]
    table.add_row("ratio", *(f"{ratio:.2f}" for ratio in ratios))
    Console(width=100).print(table)


def server_of(name: str) -> psutil.Process:
    """The model server's process."""
    from moorage import lifecycle
    from moorage.site import Site

    [process] = [int(each) for each in lifecycle.view(Site.from_env(), name).seen.processes]
    return psutil.Process(process)


if __name__ == "__main__":
    main()
