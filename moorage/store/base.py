"""What an object store must be able to do: five verbs on keys and bytes.

The registry and the ledger are built on one primitive only, put-if-absent, plus a list that shows at once what was
put. A directory can do that (`directory`), and so can S3 and everything that speaks it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal, Protocol, runtime_checkable

from moorage.errors import InvalidName

# S3's limit: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES: Final = 1024
# NAME_MAX of ext4, xfs, btrfs and APFS: a component becomes a file name in a directory store.
MAX_COMPONENT_BYTES: Final = 255


@dataclass(frozen=True)
class ObjectInfo:
    """One object as a list or a head shows it.

    Attributes:
        size: in bytes.
        modified: in seconds since the epoch, by the store's clock.
        tag: what the store says of its content; only that store knows what it means. Empty where it says nothing.
    """

    key: str
    size: int
    modified: float
    tag: str = ""


class ObjectStore(Protocol):
    """Five verbs. Every implementation passes `tests/store/test_contract.py`.

    Keys are relative, `/`-separated, and never a prefix folder of one another: with `x` there is no `x/y`.
    All verbs raise `StoreUnavailable` when the store does not answer, `StoreRefused` when it answers no, and
    `InvalidName` for a key that `check_key` refuses.
    """

    @property
    def parallel(self) -> int:
        """How many requests at once it takes to be busy."""
        ...

    @property
    def url(self) -> str:
        """Where the store is; `moorage.store.open_store(url)` opens it again, in any process."""
        ...

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        """Writes the object unless the key exists; whole or not at all, durable on return.

        Atomic against every other writer: of many at once exactly one gets True. A stream is read to its end, in
        chunks. On an exception nothing is visible under the key.

        Returns:
            True when this call created the object, False when the key was there before.
        """
        ...

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or `length` of them from `start` on (fewer at the object's end).

        Raises:
            NotFound: there is no such object.
        """
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """The object's size and time, or None when there is none."""
        ...

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """The objects whose key starts with `prefix`, in byte order of their keys, at most `limit` of them.

        A plain string prefix, as in S3: `a/1` also finds `a/10`. Shows every put that returned before.
        """
        ...

    def delete(self, key: str) -> None:
        """Removes the object; deleting what is gone is not an error."""
        ...


@runtime_checkable
class CopiesObjects(Protocol):
    """A store that copies an object without sending it."""

    def copy_if_absent(self, source: str, key: str, *, tag: str = "", is_put_by_hand: bool = False) -> bool:
        """Writes what lies under `source` under `key` too, unless that exists; else as `put_if_absent`.

        Args:
            tag: copy nothing but what the store says this of; empty: whatever lies there.
            is_put_by_hand: somebody may still write to the source as no store does: the copy shares nothing with it.

        Raises:
            NotFound: there is nothing under `source`, or something else by now.
        """
        ...

    def is_content_of(self, info: ObjectInfo, path: Path) -> bool:
        """Whether an object of the file's size holds just what the file does, found out without sending either.

        False where the store cannot tell. Raises OSError as reading the file does.
        """
        ...


@dataclass(frozen=True)
class FinishedUpload:
    """An upload that was gone on with to its end.

    Attributes:
        arrived: bytes that had arrived before, and were not sent.
        tag: what the store says of the object's content.
    """

    arrived: int
    tag: str


@runtime_checkable
class KeepsUnfinishedUploads(Protocol):
    """A store in which an upload in parts that was never finished takes space, and can be gone on with."""

    def abort_uploads(self, prefix: str) -> None:
        """Gives up all uploads to keys under `prefix` that are not finished; to do so twice is not an error."""
        ...

    def finish_upload(self, key: str, stream: BinaryIO) -> FinishedUpload | None:
        """Goes on with an unfinished upload of the object, so that it holds what the whole stream gives.

        Only for keys that nobody else still writes to.

        Returns:
            What is there now; None when there is no such upload, or somebody ended it meanwhile.
        """
        ...


@runtime_checkable
class ListsWholeFolders(Protocol):
    """A store that reads a folder to its end to list a few objects of it, and looks one up in no time: a directory."""

    @property
    def lists_whole_folders(self) -> Literal[True]: ...


def check_key(key: str) -> str:
    """Returns `key` when every store can hold it.

    Raises:
        InvalidName: it is empty, absolute, leaves the root (`..`), is no Unicode text, or is too long.
    """
    encoded = key.encode(errors="surrogatepass")
    components = encoded.split(b"/")
    problem = (
        "it is empty"
        if not key
        else "it holds a NUL character"
        if "\0" in key
        else "it is no Unicode text"
        if any("\ud800" <= letter <= "\udfff" for letter in key)
        else f"it is longer than {MAX_KEY_BYTES} bytes"
        if len(encoded) > MAX_KEY_BYTES
        else "a part of it is empty, '.' or '..'"
        if any(part in (b"", b".", b"..") for part in components)
        else f"a part of it is longer than {MAX_COMPONENT_BYTES} bytes"
        if max(map(len, components)) > MAX_COMPONENT_BYTES
        else None
    )
    if problem is None:
        return key
    shown = key if len(key) <= 80 else f"{key[:80]}…"
    raise InvalidName(
        f"Key {shown!r} cannot be stored: {problem}.", "Keys are relative paths with '/' between their parts."
    )
