"""Artifact versions: the same artifact files always have the same number, and numbers have no gaps.

Entry n of a model version's artifact log *is* artifact version n. It holds the files themselves, or says where they
are staged, so that whoever finds the folder incomplete can complete it: a killed builder leaves nothing unusable.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from moorage.deployment import digest_of
from moorage.errors import CallerError, IntegrityError, InvalidName, NotFound
from moorage.registry.access import Access
from moorage.registry.record import FileEntry, check_digest, files_from_json
from moorage.store.base import check_key
from moorage.store.hashing import fingerprint_of
from moorage.store.log import LogEntry
from moorage.store.records import unreadable
from moorage.store.transfer import send_file

logger = logging.getLogger(__name__)

# An entry is read whole each time the newest is asked for; larger files are staged beside the log.
MAX_INLINE_BYTES: Final = 256 << 10


@dataclass(frozen=True)
class ArtifactFiles:
    """The artifact files on this machine that an artifact version is built from."""

    script_file: Path | None = None
    config_file: Path | None = None


@dataclass(frozen=True)
class ArtifactVersion:
    """One immutable set of artifact files of one model version; version 0 has no files and no digest.

    Attributes:
        model: the model's name; model_version: its number.
        digest: of all files with their roles and paths: `sha256:<hex>`.
        script_file, config_file: file names in the artifact's folder.
    """

    model: str
    model_version: int
    version: int
    digest: str = ""
    script_file: str | None = None
    config_file: str | None = None
    files: tuple[FileEntry, ...] = ()


@dataclass(frozen=True)
class Built:
    """A build's outcome; `reused` says that the artifact version was there before."""

    artifact: ArtifactVersion
    reused: bool


class Role(StrEnum):
    """What an artifact file is for."""

    SCRIPT = "script"
    CONFIG = "config"


@dataclass(frozen=True)
class RoleFile:
    """An artifact file on this machine: what it is for, what it was when it was hashed, where it is."""

    role: Role
    entry: FileEntry
    source: Path


class ArtifactShelf:
    """The artifact versions of one model version."""

    def __init__(self, access: Access, *, name: str, model_version: int) -> None:
        self._store = access.store
        self._keys = access.keys
        self._name = name
        self._model_version = model_version
        self._log = access.log(access.keys.artifact_log(name, model_version))

    def build(self, files: ArtifactFiles, *, wanted: int | None, actor: str) -> Built:
        """The artifact version with just these files; see `Registry.build_artifact_version`."""
        given = _hashed(files)
        if wanted is not None and (given or wanted):
            return Built(self._wanted(wanted, given), reused=True)
        if not given:
            return Built(ArtifactVersion(self._name, self._model_version, 0), reused=True)
        known = _number_of(self._log.newest(), _digest_of_files(given))
        if known is not None:
            logger.info("Artifact version %d of %s reused: same files", known, self._model)
            return Built(self.get(known), reused=True)
        return self._append(given, actor=actor)

    def get(self, number: int) -> ArtifactVersion:
        """The artifact version, with all its files in place.

        Raises:
            NotFound: there is none; the message names those there are.
        """
        if number == 0:
            return ArtifactVersion(self._name, self._model_version, 0)
        entry = self._log.entry(number)
        if entry is None:
            raise self._not_found(number)
        artifact = self._artifact(entry)
        self._complete(entry)
        return artifact

    @property
    def _model(self) -> str:
        return f"model {self._name!r} version {self._model_version}"

    def _wanted(self, number: int, given: tuple[RoleFile, ...]) -> ArtifactVersion:
        if number == 0:
            raise InvalidName(
                f"Artifact version 0 of {self._model} has no files, but {_listed(given)} given.",
                "0 stands for a model that needs no script and no configuration file.",
                "Leave the artifact version out, and one with these files is found or made.",
            )
        artifact = self.get(number)
        if given and artifact.digest != _digest_of_files(given):
            raise InvalidName(
                f"Artifact version {number} of {self._model} holds other files; {_listed(given)} given.",
                "An artifact version cannot be modified.",
                "Leave the artifact version out, and one with these files is found or made; or give no files.",
            )
        return artifact

    def _append(self, given: tuple[RoleFile, ...], *, actor: str) -> Built:
        digest = _digest_of_files(given)
        records = [self._record(file) for file in given]

        def decide(newest: LogEntry | None) -> dict[str, Any] | None:
            if _number_of(newest, digest) is not None:
                return None
            by_digest = {**newest.body["by_digest"], digest: newest.seq + 1} if newest else {digest: 1}
            return {"digest": digest, "by_digest": by_digest, "files": records}

        entry = self._log.append(decide, actor=actor)
        if entry is None:
            # Somebody else built the same meanwhile; what we staged is of no use to anybody.
            self._unstage(records)
            return Built(self.get(_number_of(self._log.newest(), digest) or 0), reused=True)
        self._complete(entry)
        logger.info("Built artifact version %d of %s: %d files", entry.seq, self._model, len(given))
        return Built(self._artifact(entry), reused=False)

    def _record(self, file: RoleFile) -> dict[str, Any]:
        record = {"role": file.role, **asdict(file.entry)}
        if file.entry.size > MAX_INLINE_BYTES:
            record["staged"] = self._keys.staged_file(self._name, secrets.token_hex(16))
            sent = send_file(self._store, record["staged"], file.source)
            found = FileEntry(file.entry.path, sent.size, sent.sha256)
        else:
            content = file.source.read_bytes()
            record["content"] = base64.b64encode(content).decode()
            found = FileEntry(file.entry.path, len(content), hashlib.sha256(content).hexdigest())
        if found != file.entry:
            self._unstage([record])
            raise CallerError(f"{str(file.source)!r} changed while it was read.", "", "Do it again once it is saved.")
        return record

    def _unstage(self, records: list[dict[str, Any]]) -> None:
        for record in records:
            if "staged" in record:
                self._store.delete(record["staged"])

    def _artifact(self, entry: LogEntry) -> ArtifactVersion:
        key = f"{self._keys.artifact_log(self._name, self._model_version)} entry {entry.seq}"
        try:
            files = files_from_json(key, entry.body["files"])
            roles = [Role(record["role"]) for record in entry.body["files"]]
            digest = str(entry.body["digest"])
        except (KeyError, TypeError, ValueError):
            raise unreadable(key) from None
        check_digest(key, found=_digest_of_roles(zip(roles, files, strict=True)), expected=digest)
        names = {role: file.path for role, file in zip(roles, files, strict=True)}
        return ArtifactVersion(
            model=self._name,
            model_version=self._model_version,
            version=entry.seq,
            digest=digest,
            script_file=names.get(Role.SCRIPT),
            config_file=names.get(Role.CONFIG),
            files=files,
        )

    def _complete(self, entry: LogEntry) -> None:
        prefix = self._keys.artifact_files(self._name, self._model_version, entry.seq)
        present = {found.key for found in self._store.list(prefix)}
        for record in entry.body["files"]:
            if prefix + record["path"] not in present:
                self._store.put_if_absent(prefix + record["path"], self._content(record))

    def _content(self, record: dict[str, Any]) -> bytes:
        staged = record.get("staged")
        content = self._store.get(staged) if staged else base64.b64decode(record["content"])
        found = hashlib.sha256(content).hexdigest()
        if found != record["sha256"]:
            raise IntegrityError(
                f"Artifact file {record['path']!r} of {self._model} has sha256 {found}.",
                f"Expected was {record['sha256']}.",
                "Restore it from a backup of the store, or build a new artifact version.",
            )
        return content

    def _not_found(self, number: int) -> NotFound:
        newest = self._log.newest()
        known = f"It has 0 to {newest.seq}." if newest else "It has 0 only, the one without files."
        return NotFound(
            f"There is no artifact version {number} of {self._model}.",
            known,
            "Name one of these, or leave the artifact version out: one with the given files is found or made.",
        )


def _hashed(files: ArtifactFiles) -> tuple[RoleFile, ...]:
    paths = {Role.SCRIPT: files.script_file, Role.CONFIG: files.config_file}
    given = tuple(_role_file(role, path) for role, path in paths.items() if path is not None)
    if len({file.entry.path for file in given}) < len(given):
        raise InvalidName(
            f"Script and configuration file are both called {given[0].entry.path!r}.",
            "The files of an artifact version lie in one folder.",
            "Rename one of them.",
        )
    return given


def _role_file(role: Role, path: Path) -> RoleFile:
    if not path.is_file():
        problem = "is no file" if path.exists() else "does not exist"
        raise NotFound(f"The {role} file {str(path)!r} {problem}.", "", "Check the path.")
    check_key(path.name)
    try:
        fingerprint = fingerprint_of(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CallerError(f"{str(path)!r} cannot be read: {reason}.", "", "Make it readable.") from error
    return RoleFile(role, FileEntry(path.name, fingerprint.size, fingerprint.sha256), path)


def _digest_of_files(files: Iterable[RoleFile]) -> str:
    return _digest_of_roles((file.role, file.entry) for file in files)


def _digest_of_roles(files: Iterable[tuple[Role, FileEntry]]) -> str:
    return digest_of([{"role": role, **asdict(entry)} for role, entry in sorted(files, key=lambda file: file[0])])


def _number_of(newest: LogEntry | None, digest: str) -> int | None:
    if newest is None:
        return None
    number = newest.body["by_digest"].get(digest)
    return None if number is None else int(number)


def _listed(files: Iterable[RoleFile]) -> str:
    names = [f"{file.role} {file.entry.path!r}" for file in files]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
