"""Who moves next: runs the processes of a model one store operation at a time, in an order drawn from a seed.

Each process is a thread that waits before every operation until it is handed the baton, so that only one ever runs.
What the scheduler draws: who moves, who crashes, whose answer is lost, and what a list shows of what changes while it
is read.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar

from moorage.errors import StoreUnavailable
from moorage.store.base import ListsWholeFolders, ObjectInfo
from tests.checker.memory import MemoryStore, content_of

T = TypeVar("T")


class Crashed(BaseException):
    """The process is dead: it does nothing any more, not even clean up."""


@dataclass(frozen=True)
class Odds:
    """How often things go wrong, per operation."""

    crash: float = 0.01
    lost_answer: float = 0.05
    slow_list: float = 0.3


class Process:
    """One process of the model: its thread, and whether it is alive."""

    def __init__(self, name: str, body: Callable[[ScheduledStore], None]) -> None:
        self.name = name
        self.body = body
        self.has_crashed = False
        self.baton = threading.Lock()
        self.baton.acquire()


class Scheduler:
    """Runs processes over `store`, calling `look` after each operation; the first exception ends the run."""

    def __init__(self, store: MemoryStore, seed: int, look: Callable[[], None], odds: Odds | None = None) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.steps = 0
        self.look = look
        self.odds = odds or Odds()
        self._alive: list[Process] = []
        self._failure: BaseException | None = None
        self._all_done = threading.Lock()

    def run(self, processes: list[Process]) -> None:
        """Returns when every process has ended or crashed; raises what the first one raised."""
        self._alive = list(processes)
        self._all_done.acquire()
        threads = [threading.Thread(target=self._live, args=(process,), daemon=True) for process in processes]
        for thread in threads:
            thread.start()
        self._choose().baton.release()
        self._all_done.acquire()
        for thread in threads:
            thread.join()
        if self._failure:
            raise self._failure

    def turn(self, process: Process) -> None:
        """Hands the baton on and returns when it comes back."""
        if process.has_crashed or self._failure:
            raise Crashed
        chosen = self._choose()
        if chosen is not process:
            chosen.baton.release()
            process.baton.acquire()
        if self.random.random() < self.odds.crash:
            process.has_crashed = True
        if process.has_crashed or self._failure:
            raise Crashed
        self.steps += 1

    def _choose(self) -> Process:
        return self.random.choice(self._alive)

    def _live(self, process: Process) -> None:
        process.baton.acquire()
        try:
            kind = ScheduledFolders if isinstance(self.store, ListsWholeFolders) else ScheduledStore
            process.body(kind(self, process))
        except Crashed:
            pass
        except BaseException as failure:
            failure.add_note(f"in process {process.name}, after {self.steps} operations")
            self._failure = self._failure or failure
        self._alive.remove(process)
        if self._alive:
            self._choose().baton.release()
        else:
            self._all_done.release()


class ScheduledStore:
    """The store as one process sees it: an operation when it is its turn, and now and then no answer."""

    parallel = 1

    def __init__(self, scheduler: Scheduler, process: Process) -> None:
        self._scheduler = scheduler
        self._process = process

    @property
    def url(self) -> str:
        return self._scheduler.store.url

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        content = content_of(body)
        return self._answer(lambda: self._scheduler.store.put_if_absent(key, content))

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        return self._answer(lambda: self._scheduler.store.get(key, start=start, length=length))

    def head(self, key: str) -> ObjectInfo | None:
        return self._answer(lambda: self._scheduler.store.head(key))

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        found = self._answer(lambda: list(self._scheduler.store.list(prefix)))
        if self._draw() < self._scheduler.odds.slow_list:
            # Read while others write: what changes meanwhile may show or not, each by itself.
            later = self._answer(lambda: list(self._scheduler.store.list(prefix)))
            before, after = {item.key: item for item in found}, {item.key: item for item in later}
            keys = sorted(before.keys() | after.keys())
            shown = [key for key in keys if (key in before and key in after) or self._draw() < 0.5]
            found = [after.get(key) or before[key] for key in shown]
        return iter(found[:limit])

    def delete(self, key: str) -> None:
        self._answer(lambda: self._scheduler.store.delete(key))

    def copy_if_absent(self, source: str, key: str, *, tag: str = "", is_put_by_hand: bool = False) -> bool:
        copy = self._scheduler.store.copy_if_absent
        return self._answer(lambda: copy(source, key, tag=tag, is_put_by_hand=is_put_by_hand))

    def is_content_of(self, info: ObjectInfo, path: Path) -> bool:
        return self._answer(lambda: self._scheduler.store.is_content_of(info, path))

    def _answer(self, operation: Callable[[], T]) -> T:
        while True:
            self._scheduler.turn(self._process)
            answer = operation()
            self._scheduler.look()
            if self._draw() >= self._scheduler.odds.lost_answer:
                return answer
            # The operation happened, its answer was lost: the client does it again, or gives up.
            if self._draw() < 0.5:
                raise StoreUnavailable("The store did not answer.")

    def _draw(self) -> float:
        return self._scheduler.random.random()


class ScheduledFolders(ScheduledStore):
    """The same of a store that lists whole folders."""

    lists_whole_folders: Literal[True] = True
