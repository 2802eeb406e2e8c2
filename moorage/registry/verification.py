"""Every byte of a model version, read again and compared with what its manifest says."""

from __future__ import annotations

import hashlib
from typing import Final

from moorage.errors import IntegrityError, NotFound
from moorage.registry.access import Access
from moorage.registry.record import FileEntry, ModelVersion
from moorage.registry.reference_log import ReferenceLog

_PIECE_BYTES: Final = 8 << 20


def verify_version(access: Access, model: ModelVersion) -> None:
    """Reads all model files again.

    Raises:
        IntegrityError: files are altered, short, missing or not the version's; all are named, with both digests.
        NotFound: the version was deleted meanwhile.
    """
    prefix = access.keys.model_files(model.name, model.version)
    sizes = {found.key.removeprefix(prefix): found.size for found in access.store.list(prefix)}
    found = access.each(lambda file: _problem_with(access, prefix, file, sizes.get(file.path)), model.files)
    strays = sorted(sizes.keys() - {file.path for file in model.files})
    problems = [problem for problem in found if problem] + [f"{path!r} is not among its files" for path in strays]
    if not problems:
        return
    ReferenceLog(access, model.name).check_exists(model.version)
    raise IntegrityError(
        f"Model {model.name!r} version {model.version} is not what was published: {'; '.join(problems)}.",
        f"All its files together have the digest {model.digest}.",
        "Restore these files from a backup of the store, or publish the files again as a new version.",
    )


def _problem_with(access: Access, prefix: str, file: FileEntry, size: int | None) -> str:
    published = f"it was published with {file.size} bytes, sha256 {file.sha256}"
    try:
        sha256 = None if size is None else _sha256_of(access, prefix + file.path, size)
    except NotFound:
        sha256 = None
    if size is None or sha256 is None:
        return f"{file.path!r} is missing, {published}"
    if (size, sha256) == (file.size, file.sha256):
        return ""
    what = "was altered" if size == file.size else "is short" if size < file.size else "is too long"
    return f"{file.path!r} {what}, {published}, and has {size} bytes, sha256 {sha256}"


def _sha256_of(access: Access, key: str, size: int) -> str:
    digest = hashlib.sha256()
    for start in range(0, size, _PIECE_BYTES):
        digest.update(access.store.get(key, start=start, length=min(_PIECE_BYTES, size - start)))
    return digest.hexdigest()
