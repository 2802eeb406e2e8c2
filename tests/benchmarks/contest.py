"""How a transfer is measured, in rounds in which everybody takes a turn, and how the outcome is shown."""

from __future__ import annotations

import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeVar

import boto3
from rich.table import Table

from tests.seaweed import Seaweed

Item = TypeVar("Item")

_DELETED_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class Took:
    """What something cost: seconds, and seconds of CPU of this process and of the children that it waited for."""

    seconds: float
    cpu_s: float

    def __add__(self, other: Took) -> Took:
        return Took(self.seconds + other.seconds, self.cpu_s + other.cpu_s)


def timed(work: Callable[[], object]) -> Took:
    """What `work` cost."""
    began, began_cpu = time.perf_counter(), _cpu_s()
    work()
    return Took(time.perf_counter() - began, _cpu_s() - began_cpu)


def turns(items: Sequence[Item], rounds: int) -> Iterator[Item]:
    """Everybody's turn in every round; each round another one begins."""
    for number in range(rounds):
        first = number % len(items)
        yield from (*items[first:], *items[:first])


@dataclass(frozen=True)
class Trial:
    """One turn of one contender: what it moved a second, also without verifying it; CPU seconds for all of it."""

    rate: float
    bare: float
    cpu_s: float


@dataclass
class Contest:
    """One question that all answer: so many a second of `unit`, and how many times as many as each of `goals`.

    Attributes:
        goals: by the beginning of a peer's name, how many times its rate Moorage should reach; None: no goal.
        notes: what to say behind a contender's name.
    """

    title: str
    unit: str
    goals: dict[str, float | None]
    notes: dict[str, str] = field(default_factory=dict)
    trials: dict[str, list[Trial]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, trial: Trial) -> None:
        self.trials[name].append(trial)

    def table(self, missing: Sequence[str] = ()) -> Table:
        """Medians of all rounds; a ratio is the median of those within each round."""
        differs = any(trial.bare != trial.rate for trials in self.trials.values() for trial in trials)
        bare = ["not verified"] if differs else []
        headings = [f"× {peer}" + (f", goal ≥ {goal}" if goal else "") for peer, goal in self.goals.items()]
        table = Table("", self.unit, *bare, "client CPU s", *headings, title=self.title, title_justify="left")
        for name, trials in self.trials.items():
            cells = [f"{median(trial.rate for trial in trials):,.0f}"]
            cells += [f"{median(trial.bare for trial in trials):,.0f}"] if bare else []
            cells += [f"{median(trial.cpu_s for trial in trials):.2f}"]
            cells += [self._ratio(name, peer, goal) for peer, goal in self.goals.items()]
            table.add_row(name + self.notes.get(name, ""), *cells)
        for name in missing:
            table.add_row(name, "missing")
        return table

    def _ratio(self, name: str, peer: str, goal: float | None) -> str:
        peers = [trials for other, trials in self.trials.items() if other.startswith(peer)]
        if not peers:
            return ""
        # Where a peer takes part in several ways, its best one counts.
        best = max(peers, key=lambda trials: median(trial.rate for trial in trials))
        ratio = median(ours.rate / theirs.rate for ours, theirs in zip(self.trials[name], best, strict=True))
        if goal is None or not name.startswith("Moorage"):
            return f"{ratio:.2f}"
        return f"[green]{ratio:.2f} met" if ratio >= goal else f"[red]{ratio:.2f} missed"


def emptied(server: Seaweed, bucket: str) -> None:
    """Deletes all objects and unfinished uploads; past any proxy."""
    client: Any = boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
    )
    while found := client.list_objects_v2(Bucket=bucket, MaxKeys=_DELETED_AT_ONCE).get("Contents"):
        keys = [{"Key": item["Key"]} for item in found]
        client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    client.close()


def write_random(path: Path, size: int) -> None:
    """Writes a file of `size` random bytes."""
    with Path("/dev/urandom").open("rb") as source, path.open("wb") as file:
        while size:
            size -= file.write(source.read(min(size, 1 << 22)))


def same_bytes(path: Path, other: Path) -> bool:
    """Whether both files hold the same, byte for byte."""
    with path.open("rb") as file, other.open("rb") as theirs:
        while True:
            piece = file.read(1 << 22)
            if piece != theirs.read(1 << 22):
                return False
            if not piece:
                return True


def removed(*paths: Path) -> None:
    """Removes files that may be there."""
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
