"""Makes the folder of a script importable, as the script expects it, without leaving anything in that folder."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_Hook = Callable[[str], FileFinder]


@contextlib.contextmanager
def importable(folder: Path, package: str) -> Iterator[None]:
    """Files in the folder are imported plainly and, by members of `package`, relatively; so it stays.

    When the block fails, `sys.path` is as it was and `sys.modules` holds nothing of the folder. Installed packages that
    the block imported stay: many cannot be imported twice by one process.
    """
    path_before, modules_before = list(sys.path), set(sys.modules)
    hook = _finder_of(folder)
    sys.path_hooks.insert(0, hook)
    sys.path.insert(0, str(folder))
    sys.modules[package] = _package_around(folder, package)
    importlib.invalidate_caches()
    try:
        yield
    except BaseException:
        sys.path[:] = path_before
        sys.path_hooks.remove(hook)
        _forget(folder, package, set(sys.modules) - modules_before)
        raise


def _finder_of(folder: Path) -> _Hook:
    """Finds modules in the folder and below as Python does, but keeps no bytecode there.

    The folder is verified at each start to hold exactly the artifact files, and fetched anew when it does not.
    """

    def find_in(path: str) -> FileFinder:
        if not Path(path).is_relative_to(folder) or not Path(path).is_dir():
            raise ImportError(path)
        return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_Uncached, SOURCE_SUFFIXES))

    return find_in


class _Uncached(SourceFileLoader):
    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Where bytecode would be written."""


def _package_around(folder: Path, package: str) -> ModuleType:
    """The package that relative imports of files beside the script resolve in."""
    spec = ModuleSpec(package, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    return module_from_spec(spec)


def _forget(folder: Path, package: str, names: set[str]) -> None:
    for name in names:
        if name.partition(".")[0] == package or _lies_in(sys.modules[name], folder):
            del sys.modules[name]
    for path in list(sys.path_importer_cache):
        if Path(path).is_relative_to(folder):
            del sys.path_importer_cache[path]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    inside = getattr(module, "__path__", ())
    # some modules answer any name with something of their own
    places = [getattr(module, "__file__", None), *(inside if isinstance(inside, Iterable) else ())]
    return any(isinstance(place, str) and Path(place).is_relative_to(folder) for place in places)
