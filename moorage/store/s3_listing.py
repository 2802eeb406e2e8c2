"""The order of a list: byte order of the keys, whatever order a server lists in; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from moorage.store.base import ObjectInfo


def in_byte_order(found: Iterable[ObjectInfo], *, folder: str) -> Iterator[ObjectInfo]:
    """Objects below `folder` in byte order, from a server that lists in that order or folder by folder.

    SeaweedFS goes by the parts of a key: `x/a` before `x-y`, though '-' sorts before '/'. The two orders differ only
    in what begins with one name `x` and goes on with '/' or what sorts before it, and a server lists these in a row:
    such a row is read to its end and sorted, everything else is passed on as it comes.
    """
    row: list[ObjectInfo] = []
    stem = b""
    depth = len(folder.encode())
    for info in found:
        key = info.key.encode()
        if row and not (key.startswith(stem) and key[len(stem) : len(stem) + 1] <= b"/"):
            yield from _sorted(row)
            row = []
        if row:
            row.append(info)
        elif b"/" in key[depth:]:
            stem, row = key[: key.index(b"/", depth)], [info]
        else:
            yield info
    yield from _sorted(row)


def _sorted(row: list[ObjectInfo]) -> list[ObjectInfo]:
    return sorted(row, key=lambda info: info.key.encode())
