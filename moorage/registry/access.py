"""What every part of the registry works with: the store, the keys in it, and how to go about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final, TypeVar

from moorage.registry.claims import is_gone
from moorage.registry.keys import Keys
from moorage.registry.news import Tell, keep_quiet
from moorage.registry.record import Claim
from moorage.store.backoff import tries
from moorage.store.base import ObjectInfo, ObjectStore
from moorage.store.log import NumberedLog, PutRecord
from moorage.store.records import Clock, put_record, utc_now

Item = TypeVar("Item")
Result = TypeVar("Result")
Other = TypeVar("Other")

# The newest reference, and the manifests of the newest versions.
_REMEMBERED: Final = 32


@dataclass(frozen=True)
class Manner:
    """How the registry goes about its work; the model checker has its own, all others leave it as it is.

    Attributes:
        threads: how many requests it sends, and files it hashes, at once; by default as many as keep the store busy.
        checkpoint_every: every so many versions the publisher writes down all that is settled; who lists reads at
            most about as many manifests. Ten thousand versions cost the publisher a tenth of a second.
        pause: waits for so many seconds between two tries.
        put: writes a record unless its key exists, and knows its own record from another's.
        is_gone: whether who claimed a number is known to have ended.
        worth_looking: a publish of so many bytes looks for what an earlier one, which was cut off, left in the store.
    """

    threads: int | None = None
    checkpoint_every: int = 10
    pause: Callable[[float], None] = time.sleep
    put: PutRecord = put_record
    is_gone: Callable[[Claim], bool] = is_gone
    worth_looking: int = 8 << 20


@dataclass(frozen=True)
class Access:
    """One project's part of a store.

    Attributes:
        tell: is told what happened, once it stands in the store.
        made: what was made of the newest checkpoint of each model, by its key.
    """

    store: ObjectStore
    keys: Keys
    clock: Clock = utc_now
    manner: Manner = Manner()
    tell: Tell = keep_quiet
    made: dict[str, tuple[str, Any]] = field(default_factory=dict, init=False, compare=False, repr=False)

    @cached_property
    def get_settled(self) -> Callable[[str], bytes]:
        """Gets what never changes once it is there, a manifest for example; the last few of them without asking again.

        What proves that it did not change all the same, a history or a verification, reads the store.
        """
        return lru_cache(_REMEMBERED)(self.store.get)

    def put(self, key: str, fields: Mapping[str, Any]) -> bool:
        """Writes a record unless the key exists; True when what lies there then is this call's."""
        return self.manner.put(self.store, key, fields) is not None

    def log(self, prefix: str) -> NumberedLog:
        """The log under `prefix`."""
        return NumberedLog(
            self.store,
            prefix,
            clock=self.clock,
            put=self.manner.put,
            pause=self.manner.pause,
            get_newest=self.get_settled,
        )

    def tries(self, what: str) -> Iterator[int]:
        """Counts tries from 1, waiting before each but the first; see `moorage.store.backoff.tries`."""
        return tries(what, sleep=self.manner.pause)

    def remove(self, prefix: str) -> list[ObjectInfo]:
        """Deletes all objects under `prefix` and returns them."""
        found = list(self.store.list(prefix))
        self.each(lambda item: self.store.delete(item.key), found)
        return found

    @property
    def threads(self) -> int:
        """How many requests to send at once."""
        return self.manner.threads or self.store.parallel

    def both(self, first: Callable[[], Result], second: Callable[[], Other]) -> tuple[Result, Other]:
        """What the two return, at the same time; an exception of either is passed on."""
        if self.threads == 1:
            return first(), second()
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(second)
            return first(), ahead.result()

    def each(
        self, work: Callable[[Item], Result], items: Iterable[Item], *, at_once: int | None = None
    ) -> list[Result]:
        """What `work` makes of each item, in order, several at once; the first exception is passed on."""
        items = list(items)
        threads = min(len(items), self.threads, at_once or self.threads)
        if threads < 2:
            return [work(item) for item in items]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, items))
