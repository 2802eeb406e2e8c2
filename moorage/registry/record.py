"""What is known of a model version, and how the store keeps it: claim and manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Final, NamedTuple

from moorage.deployment import digest_of
from moorage.errors import IntegrityError, InvalidName
from moorage.predictor import Framework, Lineage
from moorage.store.base import check_key
from moorage.store.records import unreadable

# How long garbage collection leaves a claim without a manifest alone.
LEASE_S: Final = 24 * 3600


class ManifestState(StrEnum):
    """What became of a claimed number."""

    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(frozen=True)
class FileEntry:
    """One file: its path below its folder, size in bytes, SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Claim:
    """Who took a version number, and when.

    Attributes:
        idempotency: the SHA-256 of the key that it is to stand for, or empty.
        pid, born: the process that claims, and when it was born, in seconds since `boot`, its machine's last start.
    """

    owner: str
    host: str
    claimed_at: str
    lease_s: int = LEASE_S
    idempotency: str = ""
    pid: int = 0
    born: float = 0.0
    boot: str = ""

    def to_json(self) -> dict[str, Any]:
        """The claim's fields, as the store keeps them."""
        return asdict(self)

    @classmethod
    def from_json(cls, key: str, record: dict[str, Any]) -> Claim:
        """The claim that `record` holds; IntegrityError, naming `key`, when it holds none."""
        try:
            # The fields without a value here came later: claims written before do not have them.
            record = {"idempotency": "", "pid": 0, "born": 0.0, "boot": "", **record}
            return cls(**{field.name: record[field.name] for field in fields(cls)})
        except KeyError:
            raise unreadable(key) from None


class VersionSummary(NamedTuple):
    """What a list of model versions shows of each, out of one read for all; the rest stands in its manifest.

    Attributes:
        framework: as the manifest names it.
        digest: of all files with their paths: `sha256:<hex>`.
        size: bytes of all files together; file_count: how many they are.
        metrics_json: the training metrics, as JSON: of ten thousand, most are never looked at.
        created_at: UTC, ISO 8601 with milliseconds; created_by: who published it, may be empty.
    """

    name: str
    version: int
    framework: str
    digest: str
    size: int
    file_count: int
    metrics_json: str
    description: str
    created_at: str
    created_by: str

    @property
    def metrics(self) -> dict[str, float]:
        """The training metrics, finite numbers."""
        metrics: dict[str, float] = json.loads(self.metrics_json)
        return metrics


@dataclass(frozen=True)
class ModelVersion:
    """One immutable set of model files plus its record.

    Attributes:
        digest: of all files with their paths: `sha256:<hex>`.
        files: sorted by path.
        metrics: training metrics, finite numbers.
        input_example: one request's inputs, as JSON; None when there is none.
        schema: of inputs and outputs, as JSON; None when there is none.
        lineage: where it comes from.
        attachments: what is kept beside its files: `environment.txt` and the program that trained it.
        created_at: UTC, ISO 8601 with milliseconds, by the publisher's clock.
        created_by: who published it; may be empty.
        tags: what the store said of each file's content when it was published, in their order; none where it says
            nothing. A file of which it says something else by now is not what was published.
    """

    project: str
    name: str
    version: int
    framework: Framework
    digest: str
    files: tuple[FileEntry, ...]
    metrics: dict[str, float]
    description: str
    input_example: Any
    schema: Any
    lineage: Lineage
    attachments: tuple[FileEntry, ...]
    created_at: str
    created_by: str
    tags: tuple[str, ...] = ()

    @property
    def tagged(self) -> tuple[tuple[FileEntry, str], ...]:
        """The files, each with its tag, which may be empty."""
        return tuple(zip(self.files, self.tags or [""] * len(self.files), strict=True))

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def summary(self) -> VersionSummary:
        """What a list shows of it."""
        return VersionSummary(
            name=self.name,
            version=self.version,
            framework=self.framework.value,
            digest=self.digest,
            size=self.size,
            file_count=len(self.files),
            metrics_json=json.dumps(self.metrics, separators=(",", ":"), sort_keys=True),
            description=self.description,
            created_at=self.created_at,
            created_by=self.created_by,
        )

    def says_the_same(self, other: ModelVersion) -> bool:
        """Whether both are one model to whoever uses them; how they came about may vary."""
        return self._said() == other._said()

    def _said(self) -> tuple[Any, ...]:
        return self.framework, self.digest, self.metrics, self.description, self.input_example, self.schema

    def to_json(self) -> dict[str, Any]:
        """The manifest that commits this version."""
        return {"state": ManifestState.COMMITTED, **asdict(self), "lineage": self.lineage.model_dump()}

    @classmethod
    def from_json(cls, key: str, record: dict[str, Any]) -> ModelVersion | None:
        """The model version that a manifest commits, or None for a number that was given up.

        Raises:
            IntegrityError: it is no manifest, or its digest is not that of its files; names `key`.
        """
        try:
            if ManifestState(record["state"]) is ManifestState.ABORTED:
                return None
            # The fields without a value here came later: manifests written before do not have them.
            record = {"schema": None, "lineage": {}, "attachments": [], "tags": [], **record}
            values = {field.name: record[field.name] for field in fields(cls)}
            files = files_from_json(key, record["files"])
            values |= {
                "framework": Framework(record["framework"]),
                "files": files,
                "lineage": Lineage.model_validate(record["lineage"]),
                "attachments": files_from_json(key, record["attachments"]),
                "tags": tuple(str(tag) for tag in record["tags"]),
            }
            model = cls(**values)
        except (KeyError, TypeError, ValueError):
            raise unreadable(key) from None
        check_digest(key, found=tree_digest(files), expected=model.digest)
        if len(model.tags) not in (0, len(files)):
            raise unreadable(key)
        return model


@dataclass(frozen=True)
class Published:
    """A publish's outcome.

    Attributes:
        reused: the version was there before: the same content, or the same key.
        sent: bytes of files that were sent to the store.
        copied: bytes of files that the store had, and copied.
    """

    model: ModelVersion
    reused: bool
    sent: int = 0
    copied: int = 0


def tree_digest(files: Iterable[FileEntry]) -> str:
    """The digest of a set of files, whatever their order."""
    return digest_of([asdict(file) for file in sorted(files, key=lambda file: file.path)])


def files_from_json(key: str, records: list[dict[str, Any]]) -> tuple[FileEntry, ...]:
    """The files that a record lists.

    Raises:
        IntegrityError: a path leaves the folder that the files belong in, or stands there twice; names `key`.
    """
    files = tuple(FileEntry(str(item["path"]), int(item["size"]), str(item["sha256"])) for item in records)
    try:
        for file in files:
            check_key(file.path)
    except InvalidName:
        raise unreadable(key) from None
    if len({file.path for file in files}) < len(files):
        raise unreadable(key)
    return files


def check_digest(key: str, *, found: str, expected: str) -> None:
    """Raises IntegrityError, naming `key` and both digests, when they differ."""
    if found != expected:
        raise IntegrityError(
            f"The record {key!r} was changed: the files it lists have the digest {found}.",
            f"Expected was {expected}.",
            "Restore it from a backup of the store, or publish the files again as a new version.",
        )
