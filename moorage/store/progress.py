"""How far a transfer is, for whoever waits."""

from __future__ import annotations

from typing import Final, Protocol


class Progress(Protocol):
    """Told how far a transfer is; from many threads, and often."""

    def begin(self, total: int) -> None:
        """Says how many bytes there are to do; what was done before does not count any more."""
        ...

    def advance(self, size: int) -> None:
        """Says that so many more bytes are done; negative when some have to be done again."""
        ...


class _Unwatched:
    def begin(self, total: int) -> None:
        pass

    def advance(self, size: int) -> None:
        pass


UNWATCHED: Final[Progress] = _Unwatched()
