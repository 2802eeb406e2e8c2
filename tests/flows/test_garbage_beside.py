"""The Prefect server's event loop never finalises anything that might wait."""

import subprocess
import sys

from tests.flows.orchestrator import ROOT

PROGRAM = """
import threading, time
from flows.prefect_server import collect_beside

class Waits:
    def __init__(self):
        self.itself = self
    def __del__(self):
        finalised_by.append(threading.current_thread().name)

finalised_by = []
collect_beside()
Waits()
kept = [[] for _ in range(100_000)]  # enough for the collector to begin, were it not beside
deadline = time.monotonic() + 60
while not finalised_by and time.monotonic() < deadline:
    time.sleep(0.05)
print(*finalised_by)
"""


def test_garbage_is_collected_by_a_thread_of_its_own():
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["garbage"]
