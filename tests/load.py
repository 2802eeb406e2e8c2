"""Users who ask at a steady rate, whatever else happens, and count every request that was not answered well."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from moorage.inference.protocol import REVISION_HEADER, predict_path


@dataclass
class Load:
    """Asks `rate` times a second from `users` threads; half of them keep their connection, half open one each time.

    Attributes:
        expect: told each answer's predictions; False counts as a failure.
        latencies_ms: of the requests answered well.
        failures: what came instead.
        answers: how many of them each revision gave.
        answered_at_s: when each of them came, in seconds since the first user began.
        host: what requests say in their `Host` header; empty: the endpoint's.
    """

    endpoint: str
    deployment: str
    inputs: Any
    expect: Callable[[Any], bool]
    rate: float = 200
    users: int = 8
    latencies_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    host: str = ""
    answered_at_s: list[float] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._tickets = itertools.count()
        self._began = time.monotonic()
        self._threads = [threading.Thread(target=self._user, args=(number % 2 == 0,)) for number in range(self.users)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def asked(self) -> int:
        return len(self.latencies_ms) + len(self.failures)

    @property
    def longest_gap_s(self) -> float:
        """The longest time between two good answers."""
        times = sorted(self.answered_at_s)
        return max((after - before for before, after in itertools.pairwise(times)), default=0.0)

    def quantile_ms(self, share: float) -> float:
        """The latency under which that share of the good answers lies."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def _user(self, keeps_connection: bool) -> None:
        limits = httpx.Limits(max_keepalive_connections=1 if keeps_connection else 0)
        headers = {"Host": self.host} if self.host else {}
        with httpx.Client(base_url=self.endpoint, headers=headers, timeout=30, trust_env=False, limits=limits) as http:
            while not self._over.is_set():
                due = self._began + next(self._tickets) / self.rate
                self._over.wait(max(0, due - time.monotonic()))
                self._ask(http)

    def _ask(self, http: httpx.Client) -> None:
        began = time.monotonic()
        try:
            response = http.post(predict_path(self.deployment), json={"instances": self.inputs})
            response.raise_for_status()
            if not self.expect(response.json()["predictions"]):
                self.failures.append(f"wrong answer: {response.text[:200]}")
                return
        except (httpx.HTTPError, ValueError, KeyError) as error:
            self.failures.append(f"{time.monotonic() - self._began:.3f} s: {error!r}")
            return
        self.answered_at_s.append(time.monotonic() - self._began)
        self.latencies_ms.append((time.monotonic() - began) * 1000)
        self.answers[response.headers[REVISION_HEADER]] += 1
