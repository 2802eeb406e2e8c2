"""How the running process makes a model, as far as it can be seen from inside: packages, program, commit, flow run.

Nothing here fails: what cannot be found out is left empty, for a model without it is better than none.
"""

from __future__ import annotations

import inspect
import logging
import os
import platform
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from moorage.registry.attachments import MAX_ATTACHMENT_BYTES

log = logging.getLogger(__name__)

# A repository on a network drive that hangs is not to hold up a training run.
GIT_S: Final = 3
# What Prefect's workers and runners set in the process of a flow run.
_FLOW_RUN: Final = "PREFECT__FLOW_RUN_ID"


@dataclass(frozen=True)
class Snapshot:
    """What was seen; each part may be empty.

    Attributes:
        environment: interpreter and packages, a line each.
        program: the running script or notebook.
        git_commit: what is checked out where the program lies.
        flow_run: the id of the Prefect flow run.
    """

    environment: str = ""
    program: Path | None = None
    git_commit: str = ""
    flow_run: str = ""


def take_snapshot(*, program: Path | None = None) -> Snapshot:
    """What can be seen from here; `program`: the one to take in place of the running one."""
    program = program or running_program()
    commit = git_commit(program.parent) if program else ""
    return Snapshot(environment(), program, commit, flow_run())


def environment() -> str:
    """The interpreter in the first line, then every installed package as `name==version`, sorted."""
    found: dict[str, str] = {}
    for package in metadata.distributions():
        try:
            about = package.metadata
        except (OSError, ValueError):  # not ours to read, or not text
            continue
        if "Name" in about and "Version" in about:  # or half removed
            # The first on the path is the one that is imported.
            found.setdefault(about["Name"].lower().replace("_", "-"), f"{about['Name']}=={about['Version']}")
    python = f"# Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return "\n".join([python, *(line for _, line in sorted(found.items()))]) + "\n"


def running_program() -> Path | None:
    """The script or notebook that runs; else the outermost file on the call stack that nobody installed.

    A flow that a Prefect worker runs has no script of its own: its file is found on the stack.
    """
    main = sys.modules.get("__main__")
    script = getattr(main, "__file__", None)
    # A script that a notebook starts inherits the variable, hence the script first.
    notebook = None if script else getattr(main, "__vsc_ipynb_file__", None) or os.environ.get("JPY_SESSION_NAME")
    candidates = (Path(name) for name in (script, notebook, *reversed(_files_on_the_stack())) if name)
    return next((path.absolute() for path in candidates if _is_own(path) and _can_be_kept(path)), None)


def git_commit(folder: Path) -> str:
    """The commit that is checked out there; empty without git, and outside a repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def flow_run() -> str:
    """The id of the Prefect flow run that we are in; asks Prefect only where it is loaded already."""
    prefect = sys.modules.get("prefect.runtime.flow_run")
    get_id = getattr(prefect, "get_id", None)
    return str((get_id() if get_id else None) or os.environ.get(_FLOW_RUN, ""))


def _files_on_the_stack() -> list[str]:
    files, frame = [], inspect.currentframe()
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    return files


def _is_own(path: Path) -> bool:
    """Whether the user wrote it: it is neither Python's, nor a package's, nor Moorage's."""
    try:
        path = path.resolve()
        installed = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "scripts")]
    except OSError:
        return False
    installed.append(Path(__file__).resolve().parent)
    if {"site-packages", "dist-packages"} & set(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in installed)


def _can_be_kept(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb"):
            size = path.stat().st_size
    except OSError:
        return False
    if size > MAX_ATTACHMENT_BYTES:
        log.warning("The program %s is not kept with the model: it has %d bytes", path, size)
        return False
    return True
