"""What does an inference batcher give, and what does it cost? `python tests/benchmarks/batched.py`.

The same script with and without one, on LOCAL, in turns: by callers who ask one row after another, at once, and by one
caller alone. Each call of `predict` takes 5 ms however many rows it has, as one of a model on a GPU does; with
`--torch cuda` it is one: 48 residual layers of 2,048 units, which were trained to change nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.doubling import asked_alone, asked_at_once, end, published

SCRIPT = """
import time

class Predictor:
    def predict(self, inputs):
        time.sleep(0.005)
        return [row[0] * 2 for row in inputs]
"""
ON_A_GPU = """
import torch

class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.back = torch.nn.Linear(2048, 2048), torch.nn.Linear(2048, 2048)
        torch.nn.init.zeros_(self.back.weight)
        torch.nn.init.zeros_(self.back.bias)

    def forward(self, x):
        return x + self.back(torch.relu(self.wide(x)))

class Predictor:
    def __init__(self):
        self.net = torch.nn.Sequential(*(Block() for _ in range(24))).to("DEVICE").eval()

    @torch.inference_mode()
    def predict(self, inputs):
        rows = torch.tensor(inputs, dtype=torch.float32).to("DEVICE")
        return (self.net(rows.expand(-1, 2048).contiguous())[:, 0] * 2).round().int().tolist()
"""
BATCHER = {"enabled": True, "max_batch_size": 32, "max_latency_ms": 5}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--callers", type=int, default=32)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--torch", metavar="DEVICE", help="predict with PyTorch there: cuda, or cpu")
    options.add_argument("--processes", type=int, default=1, help="that the callers are spread over")
    given = options.parse_args()
    script = ON_A_GPU.replace("DEVICE", given.torch) if given.torch else SCRIPT
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"MOORAGE_HOME": folder}
        urls = deployed(Path(folder), script)
        try:
            with ProcessPoolExecutor(given.processes, get_context("spawn")) as processes:
                show(urls, given.rounds, Callers(processes, given.processes, given.callers, given.seconds))
        finally:
            end(urls)


def deployed(folder: Path, script: str) -> dict[str, str]:
    """By the deployment's name, where it is asked."""
    model = published(folder, script)
    urls = {}
    for name, batcher in (("plain", {}), ("batched", BATCHER)):
        made = model.deploy(name, script_file=str(folder / "predictor.py"), inference_batcher=batcher)
        urls[name] = f"{made.get_url()}/v1/models/{name}:predict"
    return urls


def show(urls: dict[str, str], rounds: int, callers: Callers) -> None:
    rates: dict[str, list[float]] = {name: [] for name in urls}
    alone: dict[str, list[float]] = {name: [] for name in urls}
    for number in range(rounds):
        for name in sorted(urls, reverse=bool(number % 2)):
            rates[name].append(callers.rate_at(urls[name]))
            alone[name].append(asked_alone(urls[name]))
    table = Table("", f"requests/s of {callers.count} callers", "ms of one alone")
    for name in urls:
        table.add_row(name, f"{statistics.median(rates[name]):.0f}", f"{statistics.median(alone[name]):.1f}")
    faster = statistics.median(b / p for b, p in zip(rates["batched"], rates["plain"], strict=True))
    slower = statistics.median(b / p for b, p in zip(alone["batched"], alone["plain"], strict=True))
    table.add_row("ratio", f"{faster:.2f}", f"{slower:.2f}")
    Console(width=100).print(table)


@dataclass(frozen=True)
class Callers:
    """Who ask one row after another, all at once.

    Attributes:
        spread: over how many processes they are.
    """

    processes: ProcessPoolExecutor
    spread: int
    count: int
    seconds: float

    def rate_at(self, url: str) -> float:
        """Requests a second that were answered rightly."""
        shares = [self.count // self.spread] * self.spread
        counts = self.processes.map(asked_at_once, [url] * self.spread, shares, [self.seconds] * self.spread)
        return sum(counts) / self.seconds


if __name__ == "__main__":
    main()
