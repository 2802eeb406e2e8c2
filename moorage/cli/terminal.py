"""What all commands share: where they print, how they are told where to work, and how they read and show values."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from moorage.errors import CallerError, NotFound
from moorage.site import Site

# A pipe or a file has no width: nothing is to be wrapped or cut there, least of all an endpoint.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
errors = Console(stderr=True, highlight=False)

Project = Annotated[str | None, typer.Option(help="Project; by default MOORAGE_PROJECT, or 'default'.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def site_of(project: str | None) -> Site:
    """Where the work is done: what the environment says, and the project of the option if there is one."""
    return Site.from_env(project=project)


def read_text(file: Path) -> str:
    """The file's text; raises NotFound when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise NotFound(f"The file {str(file)!r} cannot be read: {exc}.") from exc


def parse_json(text: str) -> Any:
    """What the JSON holds; raises CallerError when it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise CallerError(f"That is not JSON: {exc}.", mend="Mind the shell's quotes: '[[1, 2]]'.") from exc


def print_json(value: Any) -> None:
    """Prints for programs: one line on a terminal, indented in a pipe or file."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=None if sys.stdout.isatty() else 2) + "\n")
