"""Keeps a deployment's folder from growing: logs that rotate, files and starts of revisions that are gone."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from moorage.serving.local.folder import DeploymentFolder, Wanted

KEPT_LOGS: Final = 10
MAX_LOG_BYTES: Final = 10 * 1024 * 1024
_CHUNK: Final = 64 * 1024


def keep_house(folder: DeploymentFolder, used: Iterable[Wanted], *, is_settled: bool) -> None:
    """Rotates logs; once `is_settled`, removes what none of the used revisions needs."""
    for path in folder.logs.glob("*.log"):
        rotate_log(path, MAX_LOG_BYTES)
    if is_settled:
        used = list(used)
        _remove_all_but(folder.files.glob("*/*"), {Path(path) for wanted in used for path in wanted.keep})
        _remove_all_but(folder.starts.glob("*"), {folder.start_folder(w.revision, w.token) for w in used})
        _remove_old_logs(folder.logs)


def rotate_log(path: Path, max_bytes: int) -> None:
    """Moves a log's last `max_bytes` to `<name>.1` when it has grown longer, under the feet of whoever appends to it.

    The model server holds the file open for appending, so it is copied and cut, not renamed. Lines written between the
    two are lost, and all that cannot be copied because the disk is full.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size <= max_bytes:
            return
        with (
            contextlib.suppress(OSError),
            open(path, "rb") as old,
            open(path.with_name(path.name + ".1"), "wb") as kept,
        ):
            old.seek(-max_bytes, os.SEEK_END)
            shutil.copyfileobj(old, kept)
        os.truncate(path, 0)


def log_tail(path: Path, lines: int) -> list[str]:
    """The last lines of a log, newest last; none for a log that is not there."""
    try:
        with open(path, "rb") as file:
            position = file.seek(0, os.SEEK_END)
            text = b""
            while position > 0 and text.count(b"\n") <= lines:
                position = max(0, position - _CHUNK)
                file.seek(position)
                text = file.read(_CHUNK) + text
    except FileNotFoundError:
        return []
    return text.decode(errors="replace").splitlines()[-lines:]


def _remove_all_but(paths: Iterable[Path], kept: set[Path]) -> None:
    for path in paths:
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _remove_old_logs(logs: Path) -> None:
    by_age = sorted(logs.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for path in by_age[:-KEPT_LOGS]:
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".1").unlink(missing_ok=True)
