"""A bucket of S3, or of anything that speaks it, as an object store: `If-None-Match: *` is its put-if-absent.

Where the store is and who we are is boto3's own affair: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_PROFILE, AWS_* and
its configuration files. Nothing is sent before the first verb.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast
from urllib.parse import urlsplit

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from botocore.config import Config
from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError
from botocore.loaders import Loader
from botocore.session import Session

from moorage.errors import InvalidName, NotFound, StoreRefused, StoreUnavailable
from moorage.store.backoff import tries
from moorage.store.base import MAX_KEY_BYTES, ObjectInfo, check_key
from moorage.store.probe import PROBE, prove_put_if_absent
from moorage.store.s3_errors import Place, code_of, s3_errors, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from s3transfer.manager import TransferManager

# What is smaller is sent in one request, and so fits in memory.
PART_THRESHOLD_BYTES: Final = 8 << 20
# S3 takes 10,000 parts: an object may have 156 GiB. Ten parts at once are in memory, however many threads upload.
PART_BYTES: Final = 16 << 20
_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{3,255}")
_PAGE: Final = 1000
_READ_TRIES: Final = 3
_CONNECT_TIMEOUT_S: Final = 10
# Ten parts, and four files that are published at once, each also looked up: what is beyond is opened and dropped.
_MAX_SOCKETS: Final = 32

# Stores that passed the probe in this process, by endpoint and bucket. Threads that come at once each probe.
_proven: Final[set[tuple[str, str]]] = set()


@dataclass(frozen=True)
class _Connection:
    """What one process talks to S3 with; neither may be used after a fork."""

    client: S3Client
    transfers: TransferManager
    place: Place


class S3Store:
    """The object store in `bucket`, below `prefix`, which may be empty.

    May be pickled, and used from many threads and after a fork. Beyond what the contract says:

    - A put that ends in StoreUnavailable may have happened all the same, and one whose answer was lost and that was
      repeated hears that the key exists: compare what is there, as `put_record` and `upload_file` do.
    - Nothing hinders a key `x/y` beside `x` here; S3 has no folders.
    - The first write proves that the store refuses a second one, and raises StoreRefused if it does not.

    Args:
        timeout_s: how long to wait for the next byte of an answer before the request is repeated.
    """

    def __init__(self, bucket: str, prefix: str = "", *, timeout_s: float = 60) -> None:
        if not _BUCKET.fullmatch(bucket):
            raise InvalidName(
                f"{bucket!r} is no name of a bucket.", "3 to 255 of a-z, A-Z, 0-9, '.', '_' and '-'.", "Check the URL."
            )
        self._place = Place(bucket, check_key(prefix) if prefix else "")
        self._timeout_s = timeout_s
        self._connections: dict[int, _Connection] = {}

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
        stream = io.BytesIO(body) if isinstance(body, bytes) else body
        start = stream.tell() if _is_seekable(stream) else None
        first = _read_fully(stream, PART_THRESHOLD_BYTES)
        if len(first) < PART_THRESHOLD_BYTES:
            return self._put(key, first)
        return self._upload(key, first, stream, start=start)

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        if start < 0 or (length is not None and length < 0):
            raise ValueError(f"start and length count bytes from 0, not {start} and {length}")
        self._check(key)
        if length == 0:
            if self.head(key) is None:
                raise self._not_found(key)
            return b""
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
        return ObjectInfo(key, found["ContentLength"], found["LastModified"].timestamp())

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

    @property
    def _connection(self) -> _Connection:
        process = os.getpid()
        if process not in self._connections:
            # No lock, which a fork could copy while it is held. Threads that come at once all go on with the first.
            with s3_errors(f"{self.url} was not opened", "the client", self._place):
                self._connections.setdefault(process, _connect(self._place, timeout_s=self._timeout_s))
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
        prove_put_if_absent(
            str(place),
            put=lambda key: self._put(key, b"probe"),
            keys=lambda prefix: [info.key for info in self._found(prefix, first_page=_PAGE)],
            delete=self._delete,
        )
        _proven.add((place.endpoint, place.bucket))

    def _put(self, key: str, body: bytes) -> bool:
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

    def _upload(self, key: str, first: bytes, stream: BinaryIO, *, start: int | None) -> bool:
        for attempt in tries(f"writing object {key!r}"):
            # What is there need not be sent; after a conflict it tells whether a rival, or our lost answer, was it.
            if self.head(key) is not None:
                return False
            if attempt > 1:
                first = self._rewound(key, stream, start=start)
            with self._errors(f"Object {key!r} was not written", "CompleteMultipartUpload"):
                try:
                    # s3transfer aborts the upload when anything fails, the caller's stream included.
                    source = cast("BinaryIO", _Unseekable(first, stream))
                    self._connection.transfers.upload(source, self._place.bucket, self._full(key)).result()
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
                yield ObjectInfo(item["Key"][root:], item["Size"], item["LastModified"].timestamp())
            if not answer.get("IsTruncated"):
                return
            request["MaxKeys"] = _PAGE
            if objects:
                # Not by the token: at U+FFFF that of SeaweedFS 4.48 leads back to the same page, for ever.
                request["StartAfter"] = objects[-1]["Key"]
            else:
                request["ContinuationToken"] = answer["NextContinuationToken"]

    def _delete(self, key: str) -> None:
        with self._errors(f"Object {key!r} was not deleted", "DeleteObject"):
            try:
                self._client.delete_object(Bucket=self._place.bucket, Key=self._full(key))
            except ClientError as error:
                if code_of(error) != "NoSuchKey":
                    raise

    def _not_found(self, key: str) -> NotFound:
        return NotFound(f"There is no object {key!r} in the store {self.url}.")


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


def _connect(place: Place, *, timeout_s: float) -> _Connection:
    session = Session()
    session.register_component("data_loader", _loader())
    config = Config(
        # How often, AWS_MAX_ATTEMPTS says. And with an endpoint of one's own, botocore puts the bucket into the path.
        retries={"mode": "adaptive"},
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=timeout_s,
        max_pool_connections=_MAX_SOCKETS,
    )
    try:
        client = cast("S3Client", session.create_client("s3", config=config))
        endpoint = client.meta.endpoint_url
        # Where there is no TLS, botocore hashes every body on top of its checksum: three times the CPU.
        if urlsplit(endpoint).scheme == "http":
            unhashed = config.merge(Config(s3={"payload_signing_enabled": False}))
            client = cast("S3Client", session.create_client("s3", config=unhashed))
    except ValueError as error:
        mend = "Set AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL to one like https://s3.example.org."
        raise StoreRefused(f"The store in {place} was not opened: its endpoint is no URL.", "", mend) from error
    _write_only_if_absent(client)
    # Never the CRT client, which "auto" may choose: with an endpoint of one's own it may send to AWS all the same
    # (https://github.com/boto/boto3/issues/4839).
    transfer = TransferConfig(
        multipart_threshold=PART_THRESHOLD_BYTES, multipart_chunksize=PART_BYTES, preferred_transfer_client="classic"
    )
    return _Connection(client, create_transfer_manager(client, transfer), replace(place, endpoint=endpoint))


@cache
def _loader() -> Loader:
    # One for all stores of a process: to read what S3 is takes botocore a tenth of a second.
    return Loader()


def _write_only_if_absent(client: S3Client) -> None:
    # By events, because uploads in parts take no IfNoneMatch: https://github.com/boto/boto3/issues/4366
    # Typed Any: the stubs know no handler that returns the parameters.
    events: Any = client.meta.events
    for operation in ("PutObject", "CompleteMultipartUpload"):
        if _is_google(client.meta.endpoint_url):
            # Unverified: Google's interoperable API is said to know its own header only, on PUT.
            events.register(f"before-call.s3.{operation}", _if_generation_zero)
        else:
            events.register(f"provide-client-params.s3.{operation}", _if_none_match)


def _is_google(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host == "storage.googleapis.com" or host.endswith(".storage.googleapis.com")


def _if_none_match(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {**params, "IfNoneMatch": "*"}


def _if_generation_zero(params: dict[str, Any], **_: Any) -> None:
    params["headers"]["x-goog-if-generation-match"] = "0"


def _exists(error: ClientError) -> bool:
    return code_of(error) == "PreconditionFailed" or status_of(error) == 412


def _is_conflict(error: ClientError) -> bool:
    # NoSuchUpload: the completion was repeated after its answer was lost, or garbage collection took us for dead.
    return code_of(error) in ("ConditionalRequestConflict", "NoSuchUpload") or status_of(error) == 409


def _is_seekable(stream: BinaryIO) -> bool:
    return bool(getattr(stream, "seekable", lambda: False)())


def _read_fully(stream: BinaryIO, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


class _Unseekable:
    """A stream with what was read of it already, for s3transfer: it neither seeks nor reads less than asked."""

    def __init__(self, first: bytes, stream: BinaryIO) -> None:
        self._first = first
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            raise ValueError("only parts are read")
        piece, self._first = self._first[:size], self._first[size:]
        return piece + _read_fully(self._stream, size - len(piece))
