"""Files that people put into a project beside its models: uploaded here, and brought to this machine for a deploy."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from moorage.deployment import DeploymentSpec
from moorage.errors import CallerError, NotFound
from moorage.names import IN_THE_STORE
from moorage.site import Site
from moorage.store.base import ObjectStore, check_key
from moorage.store.fetching import fetch_folder

RESOURCES: Final = "Resources"
# What the registry and the ledger keep there is written by them alone.
_KEPT: Final = ("Models", "Registry", "Ledger", "Declared")


def upload(site: Site, local_path: Path, folder: str = RESOURCES, *, overwrite: bool = False) -> str:
    """Puts a file, or a folder with all that is in it, into a folder of the project; returns its path in there.

    Args:
        overwrite: replace files of the same name; they are gone for a moment.

    Raises:
        NotFound: nothing is at `local_path`.
        CallerError: a file of that name is there already, or the folder is not for files of one's own.
    """
    inside = PurePosixPath(folder.strip("/"))
    if not inside.parts or inside.parts[0] in _KEPT or ".." in inside.parts:
        raise CallerError(
            f"Nothing can be put into {folder!r}.",
            f"A folder of the project was expected that is none of {', '.join(_KEPT)}.",
            f"Use {RESOURCES!r}.",
        )
    if not local_path.exists():
        raise NotFound(f"There is nothing to upload at {str(local_path)!r}.", mend="Mind the working directory.")
    files = {path: path.relative_to(local_path.parent) for path in _files_at(local_path)}
    keys = {path: check_key(f"{_root(site)}/{inside}/{name.as_posix()}") for path, name in files.items()}
    there = [key for key in keys.values() if site.store.head(key) is not None]
    if there and not overwrite:
        raise CallerError(
            f"{there[0].removeprefix(_root(site) + '/')!r} is in the project already.",
            "",
            "Upload with overwrite=True.",
        )
    for path, key in keys.items():
        if key in there:
            site.store.delete(key)
        with path.open("rb") as stream:
            site.store.put_if_absent(key, stream)
    return f"{inside}/{local_path.name}"


@contextmanager
def files_here(store: ObjectStore, spec: DeploymentSpec) -> Iterator[DeploymentSpec]:
    """The specification, its files that lie in the store (`Projects/…`) on this machine while the block goes on.

    What is at such a path in neither place is left to the rules, which say so.
    """
    transformer = spec.transformer
    scripts = (spec.script_file, None if transformer is None else transformer.script_file)
    given = [path for path in (*scripts, spec.config_file, *spec.further_files) if path and _key_of(path)]
    if not given:
        yield spec
        return
    with tempfile.TemporaryDirectory(prefix="moorage-files-") as folder:
        here = {path: _fetched(store, path, Path(folder) / str(number)) for number, path in enumerate(given)}
        yield spec.model_copy(
            update={
                "script_file": here.get(spec.script_file or "", spec.script_file),
                "transformer": transformer
                and transformer.model_copy(
                    update={"script_file": here.get(transformer.script_file or "", transformer.script_file)}
                ),
                "config_file": here.get(spec.config_file or "", spec.config_file),
                "further_files": tuple(here.get(path, path) for path in spec.further_files),
            }
        )


def _root(site: Site) -> str:
    return f"{IN_THE_STORE}{site.settings.project}"


def _files_at(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def _key_of(path: str) -> str | None:
    """The key that a path stands for; None where it is one of this machine's."""
    key = path.strip("/")
    return key if key.startswith(IN_THE_STORE) and not Path(path).exists() else None


def _fetched(store: ObjectStore, path: str, folder: Path) -> str:
    key = _key_of(path) or ""
    name = PurePosixPath(key).name
    folder.mkdir()
    if store.head(key) is not None:
        (folder / name).write_bytes(store.get(key))
        return str(folder / name)
    return str(folder / name) if fetch_folder(store, key + "/", folder / name) else path
