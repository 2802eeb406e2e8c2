"""The model deployments that a folder declares, a YAML file each; the folder may lie in the store."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.declaration import read_specification
from moorage.deployment import DeploymentSpec
from moorage.errors import CallerError, NotFound
from moorage.names import IN_THE_STORE
from moorage.store.base import ObjectStore
from moorage.store.fetching import fetch_folder

_SUFFIXES: Final = frozenset({".yaml", ".yml"})


@dataclass(frozen=True)
class Declared:
    """One file: what it declares, or why that cannot be told."""

    path: Path
    spec: DeploymentSpec | None = None
    problem: str = ""


@contextmanager
def declared_in(place: str, store: ObjectStore) -> Iterator[list[Declared]]:
    """What each YAML file directly in a folder declares, by name of file; the files are there inside the block.

    A file with an error is told as that, and so are files that declare the same deployment: each of them.

    Args:
        place: a folder of this machine; or `Projects/…`, one in the store, which is fetched.

    Raises:
        NotFound: there is no such folder, or it declares nothing at all.
    """
    if not place.startswith(IN_THE_STORE) or Path(place).is_dir():
        yield _read_all(Path(place), place)
        return
    with tempfile.TemporaryDirectory(prefix="moorage-declared-") as folder:
        fetch_folder(store, place.rstrip("/") + "/", Path(folder))
        yield _read_all(Path(folder), place)


@contextmanager
def declared_at(place: str, store: ObjectStore) -> Iterator[list[Declared]]:
    """The same for a place that may also be one YAML file of this machine."""
    if Path(place).is_file():
        yield [_read(Path(place))]
    else:
        with declared_in(place, store) as found:
            yield found


def _read_all(folder: Path, place: str) -> list[Declared]:
    if not folder.is_dir():
        raise NotFound(
            f"There is no folder {place!r}.",
            "A folder with a YAML file for each model deployment was expected; 'Projects/…' is one in the store.",
            "Check the path; one that is relative counts from the current folder.",
        )
    found = [_read(path) for path in sorted(folder.iterdir()) if path.suffix in _SUFFIXES and path.is_file()]
    if not found:
        raise NotFound(
            f"The folder {place!r} declares nothing.",
            "It holds a YAML file for each model deployment.",
            "Check the path; what is no longer wanted is retired, not left undeclared.",
        )
    return _without_doubles(found)


def _read(path: Path) -> Declared:
    try:
        return Declared(path, read_specification(path))
    except CallerError as problem:
        return Declared(path, problem=str(problem))


def _without_doubles(found: list[Declared]) -> list[Declared]:
    # as object names and URLs have it, capitals tell nothing apart
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for each in found:
        if each.spec is not None:
            by_name[each.spec.name.lower()].append(each.path.name)

    def checked(each: Declared) -> Declared:
        files = [] if each.spec is None else by_name[each.spec.name.lower()]
        if each.spec is None or len(files) < 2:
            return each
        others = " and ".join(file for file in files if file != each.path.name)
        problem = f"Deployment {each.spec.name!r} is declared in {others} too. Leave it in one of them."
        return Declared(each.path, problem=problem)

    return [checked(each) for each in found]
