"""A model that doubles the only number of each row, who ask it, and what they measure."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from moorage.client.model import Model


def published(folder: Path, script: str) -> Model:
    """The model, with its script as predictor.py beside it."""
    import moorage

    (folder / "trained").mkdir()
    (folder / "trained" / "model").write_text("2")
    (folder / "predictor.py").write_text(script)
    registry = moorage.login().get_model_registry()
    return registry.python.create_model("double", input_example=[[21]]).save(str(folder / "trained"))


def end(names: Iterable[str]) -> None:
    """Stops these deployments."""
    import moorage

    for name in names:
        made = moorage.login().get_model_serving().get_deployment(name)
        assert made is not None
        made.stop()


def asked_at_once(url: str, callers: int, seconds: float) -> int:
    """How many requests of this process were answered rightly."""
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
        return sum(pool.map(ask, range(callers)))


def asked_alone(url: str, times: int = 50) -> float:
    """Milliseconds, the median."""
    took = []
    with httpx.Client(timeout=30, trust_env=False) as http:
        for _ in range(times):
            began = time.perf_counter()
            http.post(url, json={"instances": [[1]]}).raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
