"""Writes the report of a start to where a backend looks for it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from moorage.startup import StartupReport


def write_report(path: Path, report: StartupReport) -> None:
    """Replaces the report; who reads meanwhile sees the old one, the new one, or text that parses as none.

    Raises:
        OSError: it could not be written.
    """
    content = report.to_json().encode(errors="replace")
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staged.write_bytes(content)
        os.replace(staged, path)
    except OSError:
        # a pod's termination log is a mounted file: nothing may be renamed over it, perhaps nothing put beside it
        with contextlib.suppress(OSError):
            staged.unlink()
        _write_in_place(path, content)


def _write_in_place(path: Path, content: bytes) -> None:
    """Truncates first: the start of one report with the end of another might parse."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
