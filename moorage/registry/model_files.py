"""What training saved, looked at before anything is stored."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from moorage.errors import CallerError, InvalidName, NotFound
from moorage.predictor import Lineage, ModelSource
from moorage.registry.file_names import clashes, is_too_long, problem_with_name

# Of an input example, a schema, a lineage: each stands in the manifest, which is read to find the version.
MAX_JSON_BYTES: Final = 256 << 10
_SHOWN: Final = 10


def find_model_files(path: Path) -> list[tuple[str, Path]]:
    """All files of the folder `path`, or `path` itself when it is a file: their paths in the model, sorted, and places.

    Hidden and empty files belong to the model too; empty folders do not.

    Raises:
        NotFound: there is nothing at `path`, or no file in it.
        InvalidName: something in it cannot be stored: a symbolic link, a pipe, a name that is no key, or two names that
            some disk would take for one.
        CallerError: a folder cannot be read.
    """
    found = sorted(_files_at(path))
    if not found:
        raise NotFound(f"The model folder {str(path)!r} holds no file.", "", "Save the model there, then publish it.")
    problems = [problem for name, source in found if (problem := problem_with(name, source, is_named=source == path))]
    problems += clashes(name for name, _ in found)
    if problems:
        raise _unstorable(path, problems)
    return found


def check_metrics(source: ModelSource) -> dict[str, float]:
    """The training metrics; raises CallerError, naming all at fault, unless each is a finite number."""
    wrong = [f"{name!r} is {value}" for name, value in sorted(source.metrics.items()) if not math.isfinite(value)]
    if wrong:
        raise CallerError(f"Metrics are no finite numbers: {', '.join(wrong)}.", "", "Leave them out, or give numbers.")
    return dict(source.metrics)


def check_input_example(source: ModelSource) -> Any:
    """The input example as JSON gives it back: lists for tuples; raises CallerError where JSON cannot hold it."""
    return _as_json("input example", source.input_example)


def check_schema(source: ModelSource) -> Any:
    """The schema, likewise."""
    return _as_json("schema", source.model_schema)


def check_lineage(source: ModelSource) -> Lineage:
    """The lineage, likewise."""
    return Lineage.model_validate(_as_json("lineage", source.lineage.model_dump()))


def _as_json(what: str, value: Any) -> Any:
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise CallerError(
            f"The {what} cannot be written as JSON: {error}.",
            "It takes numbers, text, true, false, null, lists, and mappings with text as keys.",
            "Turn arrays into lists, with .tolist() for example.",
        ) from error
    if len(text) > MAX_JSON_BYTES:
        raise CallerError(
            f"The {what} is {len(text):,} bytes of JSON.", f"It takes at most {MAX_JSON_BYTES:,}.", "One row is enough."
        )
    return json.loads(text)


def _files_at(path: Path) -> Iterator[tuple[str, Path]]:
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"There is no model at {str(path)!r}.", "A folder or a file was expected.", "Check the path."
        ) from None
    except (OSError, ValueError) as error:
        raise InvalidName(f"{str(path)!r} cannot be looked at: {error}.", "", "Check the path.") from error
    if stat.S_ISDIR(mode):
        yield from files_below(path, "")
    elif stat.S_ISREG(mode):
        yield path.name, path
    else:
        raise _unstorable(path, [f"{path.name!r} is neither a file nor a folder"])


def files_below(folder: Path, prefix: str, *, left_out: str | None = None) -> Iterator[tuple[str, Path]]:
    """Whatever lies in the folder and below and is no folder itself: its path, after `prefix`, and its place.

    A folder whose own path is too long to be stored is given as it is, and not looked into.

    Args:
        left_out: the name of folders that are passed over.

    Raises:
        CallerError: a folder cannot be read.
    """
    # No recursion: people's folders may lie deeper than Python's stack.
    left = [(prefix, folder)]
    while left:
        prefix, place = left.pop()
        try:
            with os.scandir(place) as found:
                entries = list(found)
        except OSError as error:
            raise unreadable_file(place, error) from error
        for entry in entries:
            name = prefix + entry.name
            if not entry.is_dir(follow_symlinks=False) or is_too_long(name):
                yield name, place / entry.name
            elif entry.name != left_out:
                left.append((f"{name}/", place / entry.name))


def problem_with(name: str, source: Path, *, is_named: bool) -> str | None:
    """Why the file cannot be stored under `name`, or None.

    Args:
        is_named: the caller named the file itself. Then a link is followed; one that lies in a folder is not.
    """
    try:
        mode = source.stat(follow_symlinks=is_named).st_mode
    except OSError as error:
        return f"{name!r} cannot be looked at: {(error.strerror or str(error)).lower()}"
    if stat.S_ISLNK(mode):
        return f"{name!r} is a symbolic link"
    if problem := problem_with_name(name):
        return problem
    return None if stat.S_ISREG(mode) else f"{name!r} is neither a file nor a folder"


def check_names(place: str, names: list[str]) -> None:
    """Raises InvalidName unless files that lie in the store already can be model files under these names."""
    problems = [problem for name in names if (problem := problem_with_name(name))]
    problems += clashes(names)
    if problems:
        raise _unstorable(place, problems)


def unreadable_file(path: Path, error: OSError) -> CallerError:
    """The refusal of a model file that cannot be read."""
    reason = (error.strerror or str(error)).lower()
    return CallerError(f"{str(path)!r} cannot be read: {reason}.", "", "Make it readable, then publish again.")


def _unstorable(path: Path | str, problems: list[str]) -> InvalidName:
    more = f", and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return InvalidName(
        f"The model at {str(path)!r} cannot be stored: {'; '.join(problems[:_SHOWN])}{more}.",
        "A model version holds plain files only.",
        "Copy in what links point to, and remove or rename the rest.",
    )
