"""What is kept beside a version's model files, to tell later how it was made: its program and its environment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from moorage.errors import CallerError, IntegrityError, NotFound
from moorage.predictor import ModelSource
from moorage.registry.access import Access
from moorage.registry.record import FileEntry, ModelVersion

ENVIRONMENT: Final = "environment.txt"
PROGRAM: Final = "program"
# A notebook with its pictures; what is larger is data, and belongs among the model files.
MAX_ATTACHMENT_BYTES: Final = 16 << 20


@dataclass(frozen=True)
class Attachment:
    """One of them: its entry, and its content."""

    entry: FileEntry
    content: bytes


def find_attachments(source: ModelSource) -> tuple[Attachment, ...]:
    """The attachments of what training saved.

    Raises:
        CallerError: the program cannot be read, or one of them is larger than `MAX_ATTACHMENT_BYTES`.
    """
    contents = {ENVIRONMENT: source.environment.encode()} if source.environment else {}
    if source.program is not None:
        # Under one name, whatever it was called: whoever looks for it knows where.
        contents[PROGRAM + Path(source.program).suffix.lower()] = _program(Path(source.program))
    return tuple(_checked(name, content) for name, content in sorted(contents.items()))


def read_attachment(access: Access, model: ModelVersion, name: str) -> bytes:
    """The content of one of the version's attachments.

    Raises:
        NotFound: it has none of this name; those that it has are named.
        IntegrityError: what lies in the store is not what was published.
    """
    entry = next((entry for entry in model.attachments if entry.path == name), None)
    if entry is None:
        there = ", ".join(repr(entry.path) for entry in model.attachments)
        raise NotFound(
            f"Model {model.name!r} version {model.version} has no attachment {name!r}.",
            f"It has {there}." if there else "It has none.",
        )
    content = access.store.get(access.keys.version_files(model.name, model.version) + name)
    if _attachment(name, content).entry != entry:
        raise IntegrityError(
            f"Attachment {name!r} of model {model.name!r} version {model.version} is not what was published.",
            f"Expected were {entry.size} bytes, sha256 {entry.sha256}.",
            "Restore it from a backup of the store.",
        )
    return content


def _program(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_ATTACHMENT_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CallerError(f"The program {str(path)!r} cannot be read: {reason}.", "", "Check the path.") from error


def _checked(name: str, content: bytes) -> Attachment:
    if len(content) > MAX_ATTACHMENT_BYTES:
        raise CallerError(
            f"Attachment {name!r} has {len(content):,} bytes or more.",
            f"It takes at most {MAX_ATTACHMENT_BYTES:,}.",
            "Leave it out, or put it among the model files.",
        )
    return _attachment(name, content)


def _attachment(name: str, content: bytes) -> Attachment:
    return Attachment(FileEntry(name, len(content), hashlib.sha256(content).hexdigest()), content)
