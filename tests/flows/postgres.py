"""A PostgreSQL server of the test's own, on this machine, as Debian's package has it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.free_port import free_port
from tests.waiting import until


def programs() -> Path | None:
    """The folder of PostgreSQL's own programs; None where it is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of an empty database, as Prefect takes it; gone afterwards."""
    place = programs()
    assert place is not None, "PostgreSQL is not installed"
    # it does not run as root
    owner = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="moorage-postgres-"))
    if owner is not None:
        os.chown(folder, pwd.getpwnam(owner).pw_uid, -1)
    port, data = free_port(), folder / "data"
    make: list[str | Path] = [place / "initdb", "-D", data, "-A", "trust", "-U", "moorage", "--no-sync"]
    subprocess.run(make, user=owner, cwd=folder, check=True, capture_output=True)
    server = subprocess.Popen(
        [place / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"],
        user=owner,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        asked: list[str | Path] = [
            place / "psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-U",
            "moorage",
            "-d",
            "postgres",
            "-c",
        ]
        until(lambda: _said_yes([*asked, "select 1"]), timeout_s=30, what="PostgreSQL")
        assert _said_yes([*asked, "create database prefect"])
        yield f"postgresql+asyncpg://moorage@127.0.0.1:{port}/prefect"
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _said_yes(command: list[str | Path]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
