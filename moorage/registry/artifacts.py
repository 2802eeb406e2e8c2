"""Artifact versions: the same artifact files always have the same number, and numbers have no gaps.

Entry n of a model version's artifact log *is* artifact version n. It holds the files themselves, or says where they
are staged, so that whoever finds the folder incomplete can complete it: a killed builder leaves nothing unusable.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from moorage.errors import InvalidName, NotFound
from moorage.registry.access import Access
from moorage.registry.artifact_content import ArtifactContent
from moorage.registry.artifact_files import ArtifactFiles, Role, RoleFile, digest_of_files, hash_artifact_files
from moorage.registry.record import FileEntry, check_digest, files_from_json
from moorage.store.log import LogEntry
from moorage.store.records import unreadable

logger = logging.getLogger(__name__)

_SHOWN: Final = 5


@dataclass(frozen=True)
class ArtifactVersion:
    """One immutable set of artifact files of one model version; version 0 has no files and no digest.

    Attributes:
        model: the model's name; model_version: its number.
        digest: of all files with their roles and paths: `sha256:<hex>`.
        script_file, transformer_file, config_file: file names in the artifact's folder.
        further_files: paths in it, sorted.
    """

    model: str
    model_version: int
    version: int
    digest: str = ""
    script_file: str | None = None
    transformer_file: str | None = None
    config_file: str | None = None
    further_files: tuple[str, ...] = ()
    files: tuple[FileEntry, ...] = ()


@dataclass(frozen=True)
class Built:
    """A build's outcome; `reused` says that the artifact version was there before."""

    artifact: ArtifactVersion
    reused: bool


@dataclass(frozen=True)
class Found:
    """What artifact files look like, and the artifact version that holds just them; None: it is yet to be built.

    Attributes:
        digest: that such an artifact version has or would have; empty where there are no files.
    """

    files: tuple[FileEntry, ...]
    digest: str
    artifact: ArtifactVersion | None


class ArtifactShelf:
    """The artifact versions of one model version."""

    def __init__(self, access: Access, *, name: str, model_version: int) -> None:
        self._keys = access.keys
        self._threads = access.threads
        self._name = name
        self._model_version = model_version
        self._log = access.log(access.keys.artifact_log(name, model_version))
        self._content = ArtifactContent(access, name=name, model_version=model_version)

    def build(self, files: ArtifactFiles, *, wanted: int | None, actor: str) -> Built:
        """The artifact version with just these files; see `Registry.build_artifact_version`."""
        given = hash_artifact_files(files, threads=self._threads)
        if wanted is not None and (given or wanted):
            return Built(self._wanted(wanted, given), reused=True)
        if not given:
            return Built(ArtifactVersion(self._name, self._model_version, 0), reused=True)
        known = _number_of(self._log.newest(), _digest_of(given))
        if known is not None:
            logger.info("Artifact version %d of %s reused: same files", known, self._model)
            return Built(self.get(known), reused=True)
        return self._append(given, actor=actor)

    def find(self, files: ArtifactFiles) -> Found:
        """The artifact version with just these files, if there is one; writes nothing."""
        given = hash_artifact_files(files, threads=self._threads)
        entries = tuple(file.entry for file in given)
        if not given:
            return Found(entries, "", ArtifactVersion(self._name, self._model_version, 0))
        digest = _digest_of(given)
        known = _number_of(self._log.newest(), digest)
        entry = None if known is None else self._log.entry(known)
        return Found(entries, digest, None if entry is None else self._artifact(entry))

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
        self._content.complete(entry.seq, entry.body["files"])
        return artifact

    def newest(self) -> int:
        """The number of the newest artifact version; 0 where there is none with files."""
        entry = self._log.newest()
        return 0 if entry is None else entry.seq

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
        if given and artifact.digest != _digest_of(given):
            raise InvalidName(
                f"Artifact version {number} of {self._model} holds other files; {_listed(given)} given.",
                "An artifact version cannot be modified.",
                "Leave the artifact version out, and one with these files is found or made; or give no files.",
            )
        return artifact

    def _append(self, given: tuple[RoleFile, ...], *, actor: str) -> Built:
        digest = _digest_of(given)
        records = self._content.send(given)

        def decide(newest: LogEntry | None) -> dict[str, Any] | None:
            if _number_of(newest, digest) is not None:
                return None
            by_digest = {**newest.body["by_digest"], digest: newest.seq + 1} if newest else {digest: 1}
            return {"digest": digest, "by_digest": by_digest, "files": records}

        entry = self._log.append(decide, actor=actor)
        if entry is None:
            # Somebody else built the same meanwhile; what we staged is of no use to anybody.
            self._content.discard(records)
            return Built(self.get(_number_of(self._log.newest(), digest) or 0), reused=True)
        self._content.complete(entry.seq, entry.body["files"])
        logger.info("Built artifact version %d of %s: %d files", entry.seq, self._model, len(given))
        return Built(self._artifact(entry), reused=False)

    def _artifact(self, entry: LogEntry) -> ArtifactVersion:
        key = f"{self._keys.artifact_log(self._name, self._model_version)} entry {entry.seq}"
        try:
            files = files_from_json(key, entry.body["files"])
            roles = [Role(record["role"]) for record in entry.body["files"]]
            digest = str(entry.body["digest"])
        except (KeyError, TypeError, ValueError):
            raise unreadable(key) from None
        check_digest(key, found=digest_of_files(zip(roles, files, strict=True)), expected=digest)
        paths = {role: [file.path for its, file in zip(roles, files, strict=True) if its is role] for role in Role}
        return ArtifactVersion(
            model=self._name,
            model_version=self._model_version,
            version=entry.seq,
            digest=digest,
            script_file=next(iter(paths[Role.SCRIPT]), None),
            transformer_file=next(iter(paths[Role.TRANSFORMER]), None),
            config_file=next(iter(paths[Role.CONFIG]), None),
            further_files=tuple(paths[Role.FURTHER]),
            files=files,
        )

    def _not_found(self, number: int) -> NotFound:
        newest = self._log.newest()
        known = f"It has 0 to {newest.seq}." if newest else "It has 0 only, the one without files."
        return NotFound(
            f"There is no artifact version {number} of {self._model}.",
            known,
            "Name one of these, or leave the artifact version out: one with the given files is found or made.",
        )


def _digest_of(files: Iterable[RoleFile]) -> str:
    return digest_of_files((file.role, file.entry) for file in files)


def _number_of(newest: LogEntry | None, digest: str) -> int | None:
    if newest is None:
        return None
    number = newest.body["by_digest"].get(digest)
    return None if number is None else int(number)


def _listed(files: Iterable[RoleFile]) -> str:
    names = [f"{file.role} {'file ' if file.role is Role.FURTHER else ''}{file.entry.path!r}" for file in files]
    if len(names) > _SHOWN:
        names[_SHOWN:] = [f"{len(names) - _SHOWN} more"]
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
