"""Secrets of this machine: a folder for each, a file for each key, as Kubernetes would mount them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from moorage.errors import SecretMissing

_FOR_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_secret(folder: Path, secret: str, key: str) -> str:
    """What a key of a secret holds, without the line's end that editors and `echo` leave.

    Args:
        folder: of all secrets.

    Raises:
        SecretMissing: there is no such file, it is no text, or others than its owner may read it. What it holds is in
            no message.
    """
    path = folder / secret / key
    wanted = "Expected a text file that only its owner can read."
    try:
        mode = path.stat().st_mode
        held = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise SecretMissing(
            f"Secret {secret!r} has no key {key!r} here: {path}: {why}.", wanted, f"Put it there: chmod 600 {path}."
        ) from None
    if mode & _FOR_OTHERS:
        raise SecretMissing(
            f"Key {key!r} of secret {secret!r} can be read by others: {path} has mode {stat.S_IMODE(mode):o}.",
            wanted,
            f"chmod 600 {path}",
        )
    if "\0" in held:
        raise SecretMissing(f"Key {key!r} of secret {secret!r} holds a NUL character: {path}.", wanted, "Mend it.")
    return held.removesuffix("\n").removesuffix("\r")
