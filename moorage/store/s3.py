"""A bucket of S3, or of anything that speaks it, as an object store: `If-None-Match: *` is its put-if-absent.

Nothing is sent before the first verb.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError

from moorage.errors import InvalidName, NotFound, StoreUnavailable
from moorage.store.backoff import tries
from moorage.store.base import MAX_KEY_BYTES, FinishedUpload, ObjectInfo, check_key
from moorage.store.hashing import read_fully
from moorage.store.probe import PROBE, prove_put_if_absent
from moorage.store.s3_connection import MAX_REQUESTS, Connection, open_connection
from moorage.store.s3_errors import Place, code_of, s3_errors, status_of
from moorage.store.s3_listing import in_byte_order
from moorage.store.s3_parts import (
    PART_BYTES,
    PartsUpload,
    UnfinishedUpload,
    abort_upload,
    copy_in_parts,
    etag_of,
    part_size_of,
    unfinished_uploads,
    with_parts,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
LARGEST_COPY_BYTES: Final = 5 << 30
_COPIED_PART_BYTES: Final = 1 << 30
_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{3,255}")
_PAGE: Final = 1000
_READ_TRIES: Final = 3
# Beyond, what comes by obstore is copied more often than what comes by boto3: a fifth more CPU for pieces of 8 MiB.
_FAST_BYTES: Final = 1 << 20

# Stores that passed the probe in this process, by endpoint and bucket. Threads that come at once each probe.
_proven: Final[set[tuple[str, str]]] = set()


class S3Store:
    """The object store in `bucket`, below `prefix`, which may be empty.

    May be pickled, and used from many threads and after a fork. Beyond what the contract says:

    - A put that ends in StoreUnavailable may have happened all the same, and one whose answer was lost and that was
      repeated hears that the key exists: compare what is there, as `put_record` and `send_file` do.
    - Nothing hinders a key `x/y` beside `x` here; S3 has no folders.
    - The first write proves that the store refuses a second one, and raises StoreRefused if it does not.

    Args:
        timeout_s: how long to wait for the next byte of an answer before the request is repeated.
        fast: whether obstore moves single objects; by default where it is installed.
    """

    parallel = MAX_REQUESTS
    largest_copy = LARGEST_COPY_BYTES

    def __init__(self, bucket: str, prefix: str = "", *, timeout_s: float = 60, fast: bool | None = None) -> None:
        if not _BUCKET.fullmatch(bucket):
            raise InvalidName(
                f"{bucket!r} is no name of a bucket.", "3 to 255 of a-z, A-Z, 0-9, '.', '_' and '-'.", "Check the URL."
            )
        self._place = Place(bucket, check_key(prefix) if prefix else "")
        self._timeout_s = timeout_s
        self._fast = fast
        self._connections: dict[int, Connection] = {}

    def __repr__(self) -> str:
        return f"S3Store({self._place.bucket!r}, {self._place.prefix!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_connections": {}}

    @property
    def url(self) -> str:
        return f"s3://{self._place.bucket}" + (f"/{self._place.prefix}" if self._place.prefix else "")

    def put_if_absent(self, key: str, body: bytes | BinaryIO) -> bool:
        self._check(key)
        self._prove()
        if isinstance(body, bytes) and len(body) < PART_BYTES:
            return self._put(key, body)
        stream = io.BytesIO(body) if isinstance(body, bytes) else body
        size = _size_of(stream)
        if size is not None and size >= PART_BYTES:
            return self._upload(key, b"", stream, size=size)
        with self._connection.memory.holding(PART_BYTES if size is None else size):
            # A byte more than there should be tells whether a file grows; much more would be asked of the heap in vain.
            first = read_fully(stream, PART_BYTES if size is None else size + 1)
            if size is not None and len(first) > size:
                first += read_fully(stream, PART_BYTES - len(first))
            if len(first) < PART_BYTES:
                return self._put(key, first)
        return self._upload(key, first, stream, size=size)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        if start < 0 or (length is not None and length < 0):
            raise ValueError(f"start and length count bytes from 0, not {start} and {length}")
        self._check(key)
        if length == 0:
            if self.head(key) is None:
                raise self._not_found(key)
            return b""
        fast = self._connection.fast if length is None or length <= _FAST_BYTES else None
        if fast is not None and (content := fast.get(self._full(key), start=start, length=length)) is not None:
            return content
        last = "" if length is None else start + length - 1
        extra = {} if (start, length) == (0, None) else {"Range": f"bytes={start}-{last}"}
        with self._errors(f"Object {key!r} was not read", "GetObject"):
            try:
                return self._read(key, extra)
            except ClientError as error:
                if code_of(error) == "NoSuchKey":
                    raise self._not_found(key) from None
                # The range begins where the object has ended.
                if code_of(error) == "InvalidRange" or status_of(error) == 416:
                    return b""
                raise

    def head(self, key: str) -> ObjectInfo | None:
        self._check(key)
        with self._errors(f"Object {key!r} was not looked up", "HeadObject"):
            try:
                found = self._client.head_object(Bucket=self._place.bucket, Key=self._full(key))
            except ClientError as error:
                if status_of(error) not in (403, 404):
                    raise
                # The answer to a HEAD has no body. A list says what is wrong: the bucket, the credentials, or nothing.
                self._client.list_objects_v2(Bucket=self._place.bucket, Prefix=self._full(key), MaxKeys=1)
                if status_of(error) == 403:  # a list is granted, reading is not
                    raise
                return None
        return ObjectInfo(key, found["ContentLength"], found["LastModified"].timestamp(), found["ETag"].strip('"'))

    def list(self, prefix: str, *, limit: int | None = None) -> Iterator[ObjectInfo]:
        folder, slash, _ = prefix.rpartition("/")
        if slash:
            check_key(folder)
        found = self._found(prefix, first_page=_PAGE if limit is None else max(1, min(limit, _PAGE)))
        shown = (info for info in found if not info.key.startswith(f"{PROBE}/") and not info.key.endswith("/"))
        return islice(in_byte_order(shown, folder=folder + slash), limit)

    def delete(self, key: str) -> None:
        self._check(key)
        self._delete(key)

    def copy_if_absent(self, source: str, key: str, *, tag: str = "", is_put_by_hand: bool = False) -> bool:  # noqa: ARG002 - no copy in S3 is one with its source
        self._check(source)
        self._check(key)
        self._prove()
        with self._errors(f"Object {source!r} was not copied to {key!r}", "CopyObject"):
            for _ in tries(f"copying object {source!r}"):
                try:
                    self._copy(source, key, tag=tag)
                    return True
                except ClientError as error:
                    if _exists(error):
                        # Of two conditions one did not hold.
                        if tag and self.head(key) is None:
                            raise self._not_found(source) from None
                        return False
                    if code_of(error) in ("NoSuchKey", "404"):
                        raise self._not_found(source) from None
                    if not _is_conflict(error):
                        raise
        raise AssertionError("unreachable: tries() raises when they run out")

    def is_content_of(self, info: ObjectInfo, path: Path) -> bool:
        return bool(info.tag) and etag_of(path, info.size) == info.tag

    def abort_uploads(self, prefix: str) -> None:
        with self._errors(f"Unfinished uploads below {prefix!r} were not given up", "AbortMultipartUpload"):
            for upload in unfinished_uploads(self._connection, self._full(prefix)):
                abort_upload(self._connection, upload)

    def finish_upload(self, key: str, stream: BinaryIO) -> FinishedUpload | None:
        self._check(key)
        with self._errors(f"The upload of object {key!r} was not finished", "CompleteMultipartUpload"):
            found = self._unfinished(key)
            # Others would be too many for an object that is larger than what was begun, or too large for the memory.
            if found is None or found.part_size != part_size_of(_size_of(stream)):
                return None
            upload = PartsUpload(self._connection, found.key, part_size=found.part_size, found=found)
            try:
                tag = upload.run(b"", stream)
            except ClientError as error:
                # Somebody else finished it, or gave it up, or is sending other content there.
                if _exists(error) or _is_conflict(error) or code_of(error) in ("InvalidPart", "InvalidPartOrder"):
                    return None
                raise
            return FinishedUpload(upload.reused, tag)

    @property
    def _connection(self) -> Connection:
        process = os.getpid()
        if process not in self._connections:
            # No lock, which a fork could copy while it is held. Threads that come at once all go on with the first.
            opened = open_connection(self._place, timeout_s=self._timeout_s, fast=self._fast, url=self.url)
            self._connections.setdefault(process, opened)
        return self._connections[process]

    @property
    def _client(self) -> S3Client:
        return self._connection.client

    def _errors(self, what: str, operation: str) -> Any:
        return s3_errors(what, operation, self._connection.place)

    def _full(self, key: str) -> str:
        return f"{self._place.prefix}/{key}" if self._place.prefix else key

    def _check(self, key: str) -> None:
        check_key(key)
        if key.partition("/")[0] == PROBE:
            raise InvalidName(f"Key {key!r} cannot be stored.", f"{PROBE!r} is where the store probes what it can do.")
        if len(self._full(key).encode()) > MAX_KEY_BYTES:
            raise InvalidName(
                f"Key {key!r} cannot be stored: with the prefix {self._place.prefix!r} it is longer than "
                f"{MAX_KEY_BYTES} bytes.",
                "S3 holds no longer ones.",
                "Choose a shorter name, or a shorter prefix.",
            )

    def _prove(self) -> None:
        place = self._connection.place
        if (place.endpoint, place.bucket) in _proven:
            return
        # Whoever proved it this week has left word: a process that publishes once need not do it all again.
        proof = f"{PROBE}/{sha256(place.endpoint.encode()).hexdigest()[:16]}-{datetime.now(UTC):%G-%V}"
        if not self._is_proven(proof):
            prove_put_if_absent(
                str(place),
                put=lambda key: self._put(key, b"probe"),
                keys=lambda prefix: [info.key for info in self._found(prefix, first_page=_PAGE)],
                delete=self._delete,
            )
            self._put(proof, str(place).encode())
        _proven.add((place.endpoint, place.bucket))

    def _is_proven(self, proof: str) -> bool:
        place = self._connection.place
        with s3_errors(f"{self.url} was not opened", "GetObject", place):
            try:
                return self._read(proof, {}) == str(place).encode()
            except ClientError:
                return False

    def _put(self, key: str, body: bytes) -> bool:
        fast = self._connection.fast
        if fast is not None and (is_new := fast.put(self._full(key), body)) is not None:
            return is_new
        with self._errors(f"Object {key!r} was not written", "PutObject"):
            for _ in tries(f"writing object {key!r}"):
                try:
                    self._client.put_object(Bucket=self._place.bucket, Key=self._full(key), Body=body)
                    return True
                except ClientError as error:
                    if _exists(error):
                        return False
                    if not _is_conflict(error):
                        raise
        raise AssertionError("unreachable: tries() raises when they run out")

    def _upload(self, key: str, first: bytes, stream: BinaryIO, *, size: int | None) -> bool:
        start = stream.tell() - len(first) if _is_seekable(stream) else None
        for attempt in tries(f"writing object {key!r}"):
            # What is there need not be sent; after a conflict it tells whether a rival, or our lost answer, was it.
            if self.head(key) is not None:
                return False
            if attempt > 1:
                first = self._rewound(key, stream, start=start)
            upload = PartsUpload(self._connection, self._full(key), part_size=part_size_of(size))
            with self._errors(f"Object {key!r} was not written", "CompleteMultipartUpload"):
                try:
                    upload.run(first, stream)
                    return True
                except ClientError as error:
                    if _exists(error):
                        return False
                    if not _is_conflict(error):
                        raise
        raise AssertionError("unreachable: tries() raises when they run out")

    def _rewound(self, key: str, stream: BinaryIO, *, start: int | None) -> bytes:
        if start is None:
            raise StoreUnavailable(
                f"Object {key!r} was not written: {self._connection.place} answered that another write was in the way, "
                "and what was sent cannot be read once more.",
                "",
                "Do it again.",
            )
        stream.seek(start)
        return b""

    def _read(self, key: str, extra: dict[str, Any]) -> bytes:
        for attempt in range(1, _READ_TRIES + 1):
            answer = self._client.get_object(Bucket=self._place.bucket, Key=self._full(key), **extra)
            try:
                # botocore repeats a request, but not the reading of an answer that breaks off.
                return answer["Body"].read()
            except (HTTPClientError, IncompleteReadError, FlexibleChecksumError):
                if attempt == _READ_TRIES:
                    raise
        raise AssertionError("unreachable: the last try raises")

    def _found(self, prefix: str, *, first_page: int) -> Iterator[ObjectInfo]:
        root = len(self._full(""))
        request: dict[str, Any] = {"Bucket": self._place.bucket, "Prefix": self._full(prefix), "MaxKeys": first_page}
        while True:
            with self._errors(f"Objects {prefix!r}… were not listed", "ListObjectsV2"):
                answer = self._client.list_objects_v2(**request)
            objects = answer.get("Contents", [])
            for item in objects:
                tag = item["ETag"].strip('"')
                yield ObjectInfo(item["Key"][root:], item["Size"], item["LastModified"].timestamp(), tag)
            if not answer.get("IsTruncated"):
                return
            request["MaxKeys"] = _PAGE
            if objects:
                # Not by the token: at U+FFFF that of SeaweedFS 4.48 leads back to the same page, for ever.
                request["StartAfter"] = objects[-1]["Key"]
            else:
                request["ContinuationToken"] = answer["NextContinuationToken"]

    def _copy(self, source: str, key: str, *, tag: str) -> None:
        found = self.head(source)
        if found is None or (tag and found.tag != tag):
            raise self._not_found(source)
        condition: Any = {"CopySourceIfMatch": f'"{tag}"'} if tag else {}
        if found.size > self.largest_copy:
            copy_in_parts(
                self._connection,
                self._full(source),
                self._full(key),
                size=found.size,
                part_size=min(self.largest_copy, _COPIED_PART_BYTES),
                condition=condition,
            )
            return
        place = {"Bucket": self._place.bucket, "Key": self._full(source)}
        target = {"Bucket": self._place.bucket, "Key": self._full(key)}
        self._client.copy_object(**target, CopySource=place, **condition)  # type: ignore[arg-type]

    def _unfinished(self, key: str) -> UnfinishedUpload | None:
        """The unfinished upload of the object of which most has arrived."""
        full = self._full(key)
        begun = [upload for upload in unfinished_uploads(self._connection, full) if upload.key == full]
        found = [with_parts(self._connection, upload) for upload in begun]
        return max(found, key=lambda upload: len(upload.parts), default=None)

    def _delete(self, key: str) -> None:
        with self._errors(f"Object {key!r} was not deleted", "DeleteObject"):
            try:
                self._client.delete_object(Bucket=self._place.bucket, Key=self._full(key))
            except ClientError as error:
                if code_of(error) != "NoSuchKey":
                    raise

    def _not_found(self, key: str) -> NotFound:
        return NotFound(f"There is no object {key!r} in the store {self.url}.")


def _exists(error: ClientError) -> bool:
    return code_of(error) == "PreconditionFailed" or status_of(error) == 412


def _is_conflict(error: ClientError) -> bool:
    # NoSuchUpload: the completion was repeated after its answer was lost, or garbage collection took us for dead.
    return code_of(error) in ("ConditionalRequestConflict", "NoSuchUpload") or status_of(error) == 409


def _size_of(stream: BinaryIO) -> int | None:
    """What is left of a stream; None where it does not know."""
    try:
        return os.fstat(stream.fileno()).st_size - stream.tell()
    except (AttributeError, OSError, ValueError):
        pass
    return len(stream.getvalue()) - stream.tell() if isinstance(stream, io.BytesIO) else None


def _is_seekable(stream: BinaryIO) -> bool:
    return bool(getattr(stream, "seekable", lambda: False)())
