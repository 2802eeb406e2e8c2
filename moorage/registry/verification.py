"""Every byte of a model version, read again and compared with what its manifest says."""

from __future__ import annotations

from moorage.errors import IntegrityError
from moorage.registry.access import Access
from moorage.registry.record import FileEntry, ModelVersion
from moorage.registry.reference_log import ReferenceLog
from moorage.store.hashing import Fingerprint
from moorage.store.progress import UNWATCHED, Progress
from moorage.store.transfer import Wanted, read_objects


def verify_version(access: Access, model: ModelVersion, *, progress: Progress = UNWATCHED) -> None:
    """Reads all model files and attachments again.

    Raises:
        IntegrityError: files are altered, short, missing or not the version's; all are named, with both digests.
        NotFound: the version was deleted meanwhile.
    """
    files_prefix = access.keys.model_files(model.name, model.version)
    prefix = access.keys.version_files(model.name, model.version)
    sizes = {found.key.removeprefix(files_prefix): found.size for found in access.store.list(files_prefix)}
    published = {files_prefix + file.path: file for file in model.files}
    published |= {prefix + file.path: file for file in model.attachments}
    progress.begin(sum(file.size for file in published.values()))
    # What there is, is read to its end, however long it has become.
    wanted = [Wanted(key, Fingerprint(sizes.get(file.path, file.size), file.sha256)) for key, file in published.items()]
    found = {
        item.key: there for item, there in read_objects(access.store, wanted, progress=progress, threads=access.threads)
    }
    problems = [_problem_with(file, found[key]) for key, file in published.items()]
    problems += [
        f"{path!r} is not among its files" for path in sorted(sizes.keys() - {file.path for file in model.files})
    ]
    wrong = [problem for problem in problems if problem]
    if not wrong:
        return
    ReferenceLog(access, model.name).check_exists(model.version)
    raise IntegrityError(
        f"Model {model.name!r} version {model.version} is not what was published: {'; '.join(wrong)}.",
        f"All its files together have the digest {model.digest}.",
        "Restore these files from a backup of the store, or publish the files again as a new version.",
    )


def _problem_with(file: FileEntry, found: Fingerprint | None) -> str:
    published = f"it was published with {file.size} bytes, sha256 {file.sha256}"
    if found is None:
        return f"{file.path!r} is missing, {published}"
    if found == Fingerprint(file.size, file.sha256):
        return ""
    what = "was altered" if found.size == file.size else "is short" if found.size < file.size else "is too long"
    return f"{file.path!r} {what}, {published}, and has {found.size} bytes, sha256 {found.sha256}"
