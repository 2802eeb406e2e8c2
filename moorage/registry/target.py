"""Which folders a model may be downloaded to: a download replaces what lies there, so that must be nobody's."""

from __future__ import annotations

import os
from pathlib import Path

from moorage.errors import CallerError
from moorage.registry.download import holds
from moorage.registry.record import ModelVersion


def check_target(model: ModelVersion, target: Path) -> None:
    """Raises CallerError unless nothing is at `target`, or an empty folder, or the very files of the model."""
    if not target.is_symlink() and (not target.exists() or _is_empty(target) or holds(target, model.files)):
        return
    raise CallerError(
        f"{str(target)!r} is there already, and is not model {model.name!r} version {model.version}.",
        "A download takes the place of what lies there.",
        "Name another folder, or remove this one first.",
    )


def _is_empty(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return next(entries, None) is None
