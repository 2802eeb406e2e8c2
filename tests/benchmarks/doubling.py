"""Who ask a deployment that doubles the only number of each row, and what they measure."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import httpx


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
