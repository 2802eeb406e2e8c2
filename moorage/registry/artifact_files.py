"""Scripts, configuration file and further files, looked at and hashed before anything is stored."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import combinations, islice
from pathlib import Path
from typing import Final

from moorage.deployment import digest_of
from moorage.errors import CallerError, InvalidName, NotFound
from moorage.registry.file_names import clashes, is_one_name, problem_with_name
from moorage.registry.model_files import files_below, problem_with
from moorage.registry.record import FileEntry
from moorage.store.hashing import fingerprint_of

MAX_FURTHER_BYTES: Final = 1 << 30
# Each is named in the log's entry, which is read whole; a folder of more is mostly an environment, given by mistake.
MAX_FURTHER_FILES: Final = 2000
# What Python leaves beside modules; it is made anew wherever they run, perhaps by another Python.
_LEFT_OUT: Final = "__pycache__"
_SHOWN: Final = 10


@dataclass(frozen=True)
class ArtifactFiles:
    """The artifact files on this machine that an artifact version is built from; all end up in one folder.

    Attributes:
        script_file, transformer_file, config_file: delivered under their own names.
        further: files and folders beside them: a file under its own name, a folder `features` as `features/…` with all
            files below it, but for those in folders named `__pycache__`.
    """

    script_file: Path | None = None
    config_file: Path | None = None
    further: tuple[Path, ...] = ()
    transformer_file: Path | None = None


class Role(StrEnum):
    """What an artifact file is for."""

    SCRIPT = "script"
    TRANSFORMER = "transformer"
    CONFIG = "config"
    FURTHER = "further"


@dataclass(frozen=True)
class RoleFile:
    """An artifact file on this machine: what it is for, what it was when it was hashed, where it is."""

    role: Role
    entry: FileEntry
    source: Path


def find_further_files(files: ArtifactFiles) -> list[tuple[str, Path]]:
    """The further files: their paths in the artifact version's folder, sorted, and their places.

    Raises:
        CallerError: they cannot be delivered, with every reason: missing or unreadable, a symbolic link in a folder, a
            pipe, a name that is no key, two at one path, too many, too large.
    """
    found: list[tuple[str, Path]] = []
    problems: list[str] = []
    for path in files.further:
        try:
            here = _files_at(path)
        except CallerError as error:
            problems.append(error.what.rstrip("."))
            continue
        found += here
        problems += [said for name, place in here if (said := problem_with(name, place, is_named=place == path))]
    problems += clashes([*_names_of(files), *(name for name, _ in found)])
    problems += _excess([place for _, place in found])
    if problems:
        raise _undeliverable(problems)
    return sorted(found)


def hash_artifact_files(files: ArtifactFiles, *, threads: int) -> tuple[RoleFile, ...]:
    """All artifact files, with sizes and SHA-256: scripts, the configuration file, then the further files, sorted.

    Raises:
        CallerError: likewise; or a script or the configuration file are missing, or cannot be read.
    """
    named = [(role, _checked(role, path).name, path) for role, path in _named(files)]
    _check_differ([(role, name) for role, name, _ in named])
    every = [*named, *((Role.FURTHER, name, place) for name, place in find_further_files(files))]
    if threads == 1 or len(every) < 2:
        return tuple(_hashed(*each) for each in every)
    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(lambda each: _hashed(*each), every))


def digest_of_given(files: ArtifactFiles, *, threads: int) -> str:
    """The digest of the artifact version that would hold just these files; empty where there are none."""
    given = hash_artifact_files(files, threads=threads)
    return digest_of_files((file.role, file.entry) for file in given) if given else ""


def digest_of_files(files: Iterable[tuple[Role, FileEntry]]) -> str:
    """The digest of a set of artifact files with their roles, whatever their order."""
    ordered = sorted(files, key=lambda file: (file[0], file[1].path))
    return digest_of([{"role": role, **asdict(entry)} for role, entry in ordered])


def _files_at(path: Path) -> list[tuple[str, Path]]:
    if path.name in ("", ".."):
        raise InvalidName(f"{str(path)!r} has no name that it could be delivered under.")
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{str(path)!r} is not there.") from None
    except (OSError, ValueError) as error:
        raise InvalidName(f"{str(path)!r} cannot be looked at: {error}.") from error
    if not stat.S_ISDIR(mode):
        return [(path.name, path)]
    below = files_below(path, f"{path.name}/", left_out=_LEFT_OUT) if path.name != _LEFT_OUT else iter(())
    # Whoever gives a whole disk by mistake need not wait until all of it was seen.
    found = list(islice(below, MAX_FURTHER_FILES + 1))
    if not found:
        raise NotFound(f"Folder {str(path)!r} holds no file to deliver.")
    return found


def _named(files: ArtifactFiles) -> list[tuple[Role, Path]]:
    given = {Role.SCRIPT: files.script_file, Role.TRANSFORMER: files.transformer_file, Role.CONFIG: files.config_file}
    return [(role, path) for role, path in given.items() if path is not None]


def _names_of(files: ArtifactFiles) -> list[str]:
    """The names of scripts and configuration file; one of those that clash, for that is told elsewhere."""
    names: list[str] = []
    for _, path in _named(files):
        if not any(is_one_name(path.name, name) for name in names):
            names.append(path.name)
    return names


def _excess(places: list[Path]) -> list[str]:
    if len(places) > MAX_FURTHER_FILES:
        return [f"they are more than {MAX_FURTHER_FILES:,} files: such a library belongs into the environment"]
    size = sum(map(_size_of, places))
    if size <= MAX_FURTHER_BYTES:
        return []
    return [f"they are {size:,} bytes, more than {MAX_FURTHER_BYTES:,}: what is so large belongs among the model files"]


def _size_of(place: Path) -> int:
    try:
        return place.stat().st_size
    except OSError:
        return 0  # it is told as one that cannot be looked at


def _undeliverable(problems: list[str]) -> CallerError:
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return CallerError(
        f"Further files cannot be delivered: {'; '.join(problems[:_SHOWN])}{more}.",
        "Each is a plain file, at a path of its own beside the script.",
        "Check the paths, copy in what links point to, and rename or leave out the rest.",
    )


def _check_differ(named: list[tuple[Role, str]]) -> None:
    for (role, first), (other, second) in combinations(named, 2):
        if is_one_name(first, second):
            but = "" if first == second else ", but for case"
            raise InvalidName(
                f"The {role} and the {other} file are both called {first!r}{but}.",
                "The files of an artifact version lie in one folder.",
                "Rename one of them.",
            )


def _checked(role: Role, path: Path) -> Path:
    if not path.is_file():
        missing = "is no file" if path.exists() else "does not exist"
        raise NotFound(f"The {role} file {str(path)!r} {missing}.", "", "Check the path.")
    if problem := problem_with_name(path.name):
        raise InvalidName(f"The {role} file {str(path)!r} cannot be stored: {problem}.", "", "Rename it.")
    return path


def _hashed(role: Role, name: str, place: Path) -> RoleFile:
    try:
        fingerprint = fingerprint_of(place)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CallerError(f"{str(place)!r} cannot be read: {reason}.", "", "Make it readable.") from error
    return RoleFile(role, FileEntry(name, fingerprint.size, fingerprint.sha256), place)
