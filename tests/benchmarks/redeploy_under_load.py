"""How many requests do redeploys on LOCAL cost, and how much time? `python tests/benchmarks/redeploy_under_load.py`.

Users ask 200 times a second, half of them over kept connections, half over a new one each time, while the deployment
is redeployed ten times with new model files and, in between, twice with a script that raises.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from rich.console import Console
from rich.table import Table

from moorage.deployment import State
from moorage.serving.local.backend import LocalBackend
from moorage.settings import Settings
from moorage.site import Site
from tests.load import Load
from tests.serving.conftest import Workshop
from tests.serving.test_contract import RAISES, serve
from tests.waiting import until

REDEPLOYS = 10
BROKEN_AFTER = (3, 7)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Site(Settings(home=Path(folder) / "home"), "benchmark"), Path(folder) / "work")
        backend = LocalBackend.from_settings(workshop.site.settings)
        try:
            load, seconds = run(backend, workshop)
        finally:
            backend.stop("double")
            until(lambda: backend.observe("double").state is State.STOPPED, timeout_s=60)
    table = Table("redeploys", "broken ones", "requests", "failed", "median ms", "p99 ms", "max ms", "s a redeploy")
    quantiles = [f"{load.quantile_ms(share):.1f}" for share in (0.5, 0.99, 1)]
    median = sorted(seconds)[len(seconds) // 2]
    counts = (REDEPLOYS, len(BROKEN_AFTER), load.asked, len(load.failures))
    table.add_row(*map(str, counts), *quantiles, f"{median:.2f}")
    Console(width=110).print(table, *load.failures[:10])
    return bool(load.failures)


def run(backend: LocalBackend, workshop: Workshop) -> tuple[Load, list[float]]:
    endpoint = serve(backend, workshop.revision(factor=2)).endpoint
    assert endpoint is not None
    seconds = []
    with Load(endpoint, "double", [[21]], expect=lambda answer: answer[0] % 21 == 0) as load:
        for number in range(1, REDEPLOYS + 1):
            began = time.monotonic()
            serve(backend, workshop.revision(factor=2 + number))
            seconds.append(time.monotonic() - began)
            if number in BROKEN_AFTER:
                backend.apply(workshop.revision(script=RAISES))
                until(lambda: backend.observe("double").verdict, timeout_s=60)
    return load, seconds


if __name__ == "__main__":
    sys.exit(main())
