"""What does the edge before vLLM cost whoever asks? `python tests/benchmarks/edge.py`.

A server that stands in for vLLM, asked through the edge of a deployment on LOCAL and directly, in turns: how long one
completion takes, and one stream of a hundred words. The server itself does next to nothing, so what is left is the way.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.doubling import end

ROOT = Path(__file__).parents[2]
NAME = "edge"
WORDS = 100


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--requests", type=int, default=300)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"MOORAGE_HOME": folder, "PATH": f"{ROOT / 'tests/stand_ins'}{os.pathsep}{os.environ['PATH']}"}
        edge = deployed(Path(folder))
        try:
            show(measured({"direct": direct(), "edge": edge}, given.rounds, given.requests))
        finally:
            end([NAME])


def deployed(folder: Path) -> str:
    """Where the deployment is asked."""
    import moorage

    (folder / "model").mkdir()
    (folder / "model" / "words.json").write_text(json.dumps({"hello": "Aye,", "pause_s": "0"}))
    (folder / "vllm.yaml").write_text("max-model-len: 256\n")
    model = moorage.login().get_model_registry().llm.create_model(NAME).save(str(folder / "model"))
    return str(model.deploy(NAME, config_file=str(folder / "vllm.yaml")).get_openai_url())


def direct() -> str:
    """Where its server itself listens."""
    from moorage import lifecycle
    from moorage.site import Site

    [process] = lifecycle.view(Site.from_env(), NAME).seen.processes
    [child] = psutil.Process(int(process)).children()
    command = child.cmdline()
    return f"http://127.0.0.1:{command[command.index('--port') + 1]}/v1"


def measured(urls: dict[str, str], rounds: int, requests: int) -> dict[str, tuple[list[float], list[float]]]:
    """By way, of each round: milliseconds of one completion, and of one stream."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in urls}
    for number in range(rounds):
        for name in sorted(urls, reverse=bool(number % 2)):
            with httpx.Client(base_url=urls[name], trust_env=False, timeout=60) as client:
                found[name][0].append(milliseconds_of(client, requests, {"prompt": "x"}))
                stream = {"prompt": "x", "stream": True, "max_tokens": WORDS}
                found[name][1].append(milliseconds_of(client, requests // 10, stream))
    return found


def milliseconds_of(client: httpx.Client, requests: int, body: dict[str, object]) -> float:
    """The median of so many requests, one after another."""
    took = []
    for _ in range(requests):
        began = time.perf_counter()
        client.post("/completions", json={"model": NAME, **body}).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def show(found: dict[str, tuple[list[float], list[float]]]) -> None:
    table = Table("", "ms of a completion", f"ms of a stream of {WORDS} words")
    for name, columns in found.items():
        table.add_row(name, *(f"{statistics.median(column):.2f}" for column in columns))
    more = [
        statistics.median(edge - direct for edge, direct in zip(found["edge"][at], found["direct"][at], strict=True))
        for at in (0, 1)
    ]
    table.add_row("more by the edge", *(f"{each:.2f}" for each in more))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
