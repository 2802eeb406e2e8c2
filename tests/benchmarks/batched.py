"""What does an inference batcher give, and what does it cost? `python tests/benchmarks/batched.py`.

The same script with and without one, on LOCAL, in turns: by callers who ask one row after another, at once, and by one
caller alone. Each call of `predict` takes 5 ms however many rows it has, as one of a model on a GPU does.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

SCRIPT = """
import time

class Predictor:
    def predict(self, inputs):
        time.sleep(0.005)
        return [row[0] * 2 for row in inputs]
"""
BATCHER = {"enabled": True, "max_batch_size": 32, "max_latency_ms": 5}


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--callers", type=int, default=32)
    options.add_argument("--seconds", type=float, default=4)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"MOORAGE_HOME": folder}
        urls = deployed(Path(folder))
        try:
            show(urls, given.rounds, given.callers, given.seconds)
        finally:
            end(urls)


def deployed(folder: Path) -> dict[str, str]:
    """By the deployment's name, where it is asked."""
    import moorage

    (folder / "trained").mkdir()
    (folder / "trained" / "model").write_text("2")
    (folder / "predictor.py").write_text(SCRIPT)
    registry = moorage.login().get_model_registry()
    model = registry.python.create_model("double", input_example=[[21]]).save(str(folder / "trained"))
    urls = {}
    for name, batcher in (("plain", {}), ("batched", BATCHER)):
        made = model.deploy(name, script_file=str(folder / "predictor.py"), inference_batcher=batcher)
        urls[name] = f"{made.get_url()}/v1/models/{name}:predict"
    return urls


def end(urls: dict[str, str]) -> None:
    import moorage

    for name in urls:
        made = moorage.login().get_model_serving().get_deployment(name)
        assert made is not None
        made.stop()


def show(urls: dict[str, str], rounds: int, callers: int, seconds: float) -> None:
    rates: dict[str, list[float]] = {name: [] for name in urls}
    alone: dict[str, list[float]] = {name: [] for name in urls}
    for number in range(rounds):
        for name in sorted(urls, reverse=bool(number % 2)):
            rates[name].append(asked_at_once(urls[name], callers, seconds))
            alone[name].append(asked_alone(urls[name]))
    table = Table("", f"requests/s of {callers} callers", "ms of one alone")
    for name in urls:
        table.add_row(name, f"{statistics.median(rates[name]):.0f}", f"{statistics.median(alone[name]):.1f}")
    faster = statistics.median(b / p for b, p in zip(rates["batched"], rates["plain"], strict=True))
    slower = statistics.median(b / p for b, p in zip(alone["batched"], alone["plain"], strict=True))
    table.add_row("ratio", f"{faster:.2f}", f"{slower:.2f}")
    Console(width=100).print(table)


def asked_at_once(url: str, callers: int, seconds: float) -> float:
    """Requests a second that were answered rightly."""
    until = time.monotonic() + seconds

    def ask(number: int) -> int:
        count = 0
        with httpx.Client(timeout=30, trust_env=False) as http:
            while time.monotonic() < until:
                answer = http.post(url, json={"instances": [[number]]})
                assert answer.json() == {"predictions": [number * 2]}, answer.text
                count += 1
        return count

    with ThreadPoolExecutor(callers) as pool:
        return sum(pool.map(ask, range(callers))) / seconds


def asked_alone(url: str, times: int = 50) -> float:
    """Milliseconds, the median."""
    took = []
    with httpx.Client(timeout=30, trust_env=False) as http:
        for _ in range(times):
            began = time.perf_counter()
            http.post(url, json={"instances": [[1]]}).raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


if __name__ == "__main__":
    main()
