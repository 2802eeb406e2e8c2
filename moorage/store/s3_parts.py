"""A large object in S3: sent in parts, several at once, found again after a crash, visible by its last request only."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from botocore.exceptions import BotoCoreError, ClientError

from moorage.store.hashing import read_fully
from moorage.store.s3_connection import Connection
from moorage.store.s3_errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

# What is smaller goes in one request.
PART_BYTES: Final = 16 << 20
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS_OF_AN_OBJECT: Final = 10_000
_MIB: Final = 1 << 20


@dataclass(frozen=True)
class UnfinishedUpload:
    """An upload in parts that was begun and neither completed nor given up.

    Attributes:
        key: the object's whole key in the bucket.
        parts: ETag and size of what has arrived, by number.
    """

    key: str
    upload_id: str
    parts: dict[int, tuple[str, int]] = field(default_factory=dict)

    @property
    def part_size(self) -> int | None:
        """The size that it was cut into; None where that cannot be told."""
        sizes = [size for _, (_, size) in sorted(self.parts.items())]
        return sizes[0] if 1 in self.parts and all(size == sizes[0] for size in sizes[:-1]) else None


def part_size_of(size: int | None) -> int:
    """How large the parts of an object are: all alike but the last, as Cloudflare R2 wants it, 10,000 at most."""
    least = 0 if size is None else -(-size // MAX_PARTS_OF_AN_OBJECT)
    return max(PART_BYTES, -(-least // _MIB) * _MIB)


def etag_of(path: Path, size: int) -> str:
    """The ETag that S3 gives what this module sends of the file: the MD5 of its content, or of its parts' MD5s.

    Where a bucket encrypts with KMS it is another, and nothing is ever taken for the same.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    part_size = part_size_of(size)
    digests = []
    with path.open("rb") as file:
        while piece := file.read(part_size):
            digests.append(_md5(piece).digest())
    if size < PART_BYTES:
        return digests[0].hex() if digests else _md5(b"").hexdigest()
    return f"{_md5(b''.join(digests)).hexdigest()}-{len(digests)}"


class PartsUpload:
    """One upload in parts; `run` either completes it or raises, and then gives it up unless told otherwise.

    Args:
        key: the object's whole key in the bucket.
        part_size: bytes of each part but the last.
        found: go on with this upload: parts that are there already, byte for byte, are not sent.
    """

    def __init__(
        self, connection: Connection, key: str, *, part_size: int, found: UnfinishedUpload | None = None
    ) -> None:
        self._connection = connection
        # Any: the stubs would have every keyword argument by its own type
        self._target: Any = {"Bucket": connection.place.bucket, "Key": key}
        self._part_size = part_size
        self._found = found or UnfinishedUpload(key, "")
        # The default of botocore; "when_required" is for servers that know no checksums.
        supported = connection.client.meta.config.request_checksum_calculation != "when_required"  # type: ignore[attr-defined]
        self._checksum: Any = {"ChecksumAlgorithm": "CRC32"} if supported else {}
        self._reused: list[int] = []
        self._has_failed = False

    @property
    def reused(self) -> int:
        """Bytes that needed not be sent, because they had arrived before."""
        return sum(self._reused)

    def run(self, first: bytes, stream: BinaryIO) -> str:
        """Sends `first` and then all of the stream, and returns the ETag of the object.

        Raises:
            ClientError, BotoCoreError: as botocore does. Whatever is raised, no part is left in the store, unless the
                upload was one that had been found.
        """
        upload_id = self._found.upload_id or self._begin()
        sent: list[Future[CompletedPartTypeDef]] = []
        try:
            for number, piece in self._pieces(first, stream):
                sent.append(self._connection.parts.submit(self._part, upload_id, number, piece))
                if self._has_failed:
                    break
            parts = [part.result() for part in sent]
            return self._complete(upload_id, parts)
        except BaseException:
            # Parts that still travel would arrive after the upload was given up, and stay.
            wait(sent)
            if not self._found.upload_id:
                self._give_up(upload_id)
            raise

    def _begin(self) -> str:
        return self._connection.client.create_multipart_upload(**self._target, **self._checksum)["UploadId"]

    def _pieces(self, first: bytes, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
        number = 0
        while True:
            self._connection.memory.take(self._part_size)
            try:
                piece = first + read_fully(stream, self._part_size - len(first))
            except BaseException:
                self._connection.memory.give_back(self._part_size)
                raise
            first = b""
            # An empty object has one part, which is empty.
            if not piece and number:
                self._connection.memory.give_back(self._part_size)
                return
            number += 1
            yield number, piece

    def _part(self, upload_id: str, number: int, piece: bytes) -> CompletedPartTypeDef:
        try:
            etag, size = self._found.parts.get(number, ("", 0))
            # Worked out here, as the completion names it too: botocore would do so once more for each part.
            checksum: Any = {"ChecksumCRC32": _crc32(piece)} if self._checksum else {}
            if size == len(piece) and etag == _md5(piece).hexdigest():
                self._reused.append(size)
            else:
                answer = self._connection.client.upload_part(
                    **self._target, **checksum, UploadId=upload_id, PartNumber=number, Body=piece
                )
                etag = answer["ETag"]
            return cast("CompletedPartTypeDef", {"PartNumber": number, "ETag": etag, **checksum})
        except BaseException:
            self._has_failed = True
            raise
        finally:
            self._connection.memory.give_back(self._part_size)

    def _complete(self, upload_id: str, parts: list[CompletedPartTypeDef]) -> str:
        answer = self._connection.client.complete_multipart_upload(
            **self._target, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )
        return answer["ETag"].strip('"')

    def _give_up(self, upload_id: str) -> None:
        # As well as it goes: garbage collection, or the bucket's own rules, remove what is left.
        with suppress(ClientError, BotoCoreError):
            self._connection.client.abort_multipart_upload(**self._target, UploadId=upload_id)


def unfinished_uploads(connection: Connection, prefix: str) -> list[UnfinishedUpload]:
    """All unfinished uploads to whole keys that start with `prefix`, without their parts."""
    found = []
    request: dict[str, Any] = {"Bucket": connection.place.bucket, "Prefix": prefix}
    while True:
        answer = connection.client.list_multipart_uploads(**request)
        found += [UnfinishedUpload(item["Key"], item["UploadId"]) for item in answer.get("Uploads", [])]
        if not answer.get("IsTruncated") or not answer.get("NextKeyMarker"):
            return found
        request |= {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer.get("NextUploadIdMarker", "")}


def with_parts(connection: Connection, upload: UnfinishedUpload) -> UnfinishedUpload:
    """The upload with what has arrived of it; without any when it is gone."""
    parts: dict[int, tuple[str, int]] = {}
    request: dict[str, Any] = {
        "Bucket": connection.place.bucket,
        "Key": upload.key,
        "UploadId": upload.upload_id,
        "PartNumberMarker": 0,
    }
    while True:
        try:
            answer = connection.client.list_parts(**request)
        except ClientError as error:
            if code_of(error) == "NoSuchUpload":
                return UnfinishedUpload(upload.key, upload.upload_id)
            raise
        parts |= {item["PartNumber"]: (item["ETag"].strip('"'), item["Size"]) for item in answer.get("Parts", [])}
        if not answer.get("IsTruncated") or not answer.get("NextPartNumberMarker"):
            return UnfinishedUpload(upload.key, upload.upload_id, parts)
        request["PartNumberMarker"] = answer["NextPartNumberMarker"]


def abort_upload(connection: Connection, upload: UnfinishedUpload) -> None:
    """Gives the upload up; one that is gone is no error."""
    try:
        connection.client.abort_multipart_upload(
            Bucket=connection.place.bucket, Key=upload.key, UploadId=upload.upload_id
        )
    except ClientError as error:
        if code_of(error) != "NoSuchUpload":
            raise


def copy_in_parts(
    connection: Connection, source: str, key: str, *, size: int, part_size: int, condition: dict[str, Any]
) -> None:
    """Copies an object that is too large for one request, inside the store, from one whole key to another.

    Args:
        condition: what must hold of the source for each part, as parameters of the request.
    """
    client = connection.client
    target: Any = {"Bucket": connection.place.bucket, "Key": key}
    upload_id = client.create_multipart_upload(**target)["UploadId"]

    def copy(number: int, start: int) -> CompletedPartTypeDef:
        last = min(start + part_size, size) - 1
        answer = client.upload_part_copy(
            **target,
            UploadId=upload_id,
            PartNumber=number,
            CopySource={"Bucket": connection.place.bucket, "Key": source},
            CopySourceRange=f"bytes={start}-{last}",
            **condition,
        )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    copied = [
        connection.parts.submit(copy, number, start) for number, start in enumerate(range(0, size, part_size), start=1)
    ]
    try:
        parts = [part.result() for part in copied]
        client.complete_multipart_upload(**target, UploadId=upload_id, MultipartUpload={"Parts": parts})
    except BaseException:
        for part in copied:
            part.cancel()
        wait(copied)
        abort_upload(connection, UnfinishedUpload(key, upload_id))
        raise


def _md5(content: bytes) -> hashlib._Hash:
    # What S3 calls its objects by, not what anything is kept safe by: hence allowed where MD5 is forbidden.
    return hashlib.md5(content, usedforsecurity=False)


def _crc32(content: bytes) -> str:
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
