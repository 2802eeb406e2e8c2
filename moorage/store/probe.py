"""Proof that a store really refuses a second write of one key: 9 of 13 S3 servers that we tried do not."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Final

from moorage.errors import MoorageError, StoreRefused

logger = logging.getLogger(__name__)

# Where the probe writes: no list shows it, no key may lie there.
PROBE: Final = ".moorage-probe"
# Two at once, three times, and not sixteen once. A client of many threads sends its requests one after the other, so
# more of them overlap less: of servers that check and then write 0.2 ms later, sixteen threads caught 37 %, two caught
# 77 %, hence three pairs 99 %. And SeaweedFS makes losers wait in steps of 1 s: sixteen of them cost 2.4 s on average,
# a pair 0.04 s.
ROUNDS: Final = 3
WRITERS: Final = 2


def prove_put_if_absent(
    place: str,
    *,
    put: Callable[[str], bool],
    keys: Callable[[str], list[str]],
    delete: Callable[[str], None],
) -> None:
    """Races for a few random keys below `PROBE`, and removes them. A pass is evidence, not proof, of atomicity.

    Args:
        place: where the store is, for the message.
        put: the store's put-if-absent of a few bytes.
        keys: the keys that start with a prefix.
        delete: removes a key.

    Raises:
        StoreRefused: two writers of one key were both told that they created it, or a list does not show it.
    """
    # First of all, and not for its result: SeaweedFS makes a bucket that does not exist on the first write to it.
    keys(f"{PROBE}/")
    for _ in range(ROUNDS):
        key = f"{PROBE}/{secrets.token_hex(16)}"
        try:
            _race(place, key, put=put)
            if keys(key) != [key]:
                raise _unsuited(place, "a list does not show what was written before.")
        finally:
            _remove(key, delete=delete)


def _race(place: str, key: str, *, put: Callable[[str], bool]) -> None:
    start = Barrier(WRITERS)

    def write(_: int) -> bool:
        start.wait()
        return put(key)

    with ThreadPoolExecutor(WRITERS) as pool:
        won = sum(pool.map(write, range(WRITERS)))
    # None is fine: a client that repeats a write whose answer was lost hears "exists" of its own object.
    if won > 1:
        raise _unsuited(place, f"{won} of {WRITERS} writers of one key were told that they created it.")
    if put(key):
        raise _unsuited(place, "it overwrote an object that it was asked to keep.")


def _remove(key: str, *, delete: Callable[[str], None]) -> None:
    # Whoever publishes need not be allowed to delete.
    try:
        delete(key)
    except MoorageError as error:
        logger.warning("An object of the start-up probe is left as %r: %s", key, error)


def _unsuited(place: str, why: str) -> StoreRefused:
    return StoreRefused(
        f"{place[:1].upper()}{place[1:]} cannot be a store: {why}",
        "Writers of one version number are told apart by 'If-None-Match: *', which S3 servers may accept and ignore.",
        "Use AWS S3, Cloudflare R2, SeaweedFS 4.30, or a recent MinIO or Ceph; or a directory: file:///absolute/path.",
    )
