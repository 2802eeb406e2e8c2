"""From what ended a start to the failure that is reported (pure)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Final

from moorage.errors import (
    IntegrityError,
    MoorageError,
    NotFound,
    ObjectMissing,
    PredictorScriptError,
    SecretMissing,
    ServerEnded,
    StoreRefused,
    StoreUnavailable,
)
from moorage.runtime.blame import own_frames
from moorage.startup import Cause, StartupFailure

# The first that fits.
_CAUSES: Final = {
    ObjectMissing: Cause.FILES_MISSING,
    IntegrityError: Cause.DIGEST_MISMATCH,
    NotFound: Cause.FILES_MISSING,
    SecretMissing: Cause.PLACE_INCOMPLETE,
    StoreUnavailable: Cause.STORE_UNAVAILABLE,
    StoreRefused: Cause.STORE_DENIED,
}
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def startup_failure(error: BaseException, *, environment: str) -> StartupFailure:
    """Why the model server gave up.

    Args:
        error: what ended the start. The loader turns every ImportError of the script into a PredictorScriptError, so
            one that is still an ImportError comes from what the model server itself needs.
        environment: name of the environment that it runs in.
    """
    if isinstance(error, PredictorScriptError):
        return StartupFailure(
            cause=Cause(error.cause),
            message=error.what,
            expected=error.expected,
            mend=error.mend,
            file=error.file or None,
            line=error.line,
            traceback=own_frames(error),
        )
    if _is_disk_full(error):
        return _disk_full(error)
    if isinstance(error, ImportError):
        return _environment_broken(error, environment)
    if isinstance(error, ServerEnded):
        return StartupFailure(Cause(error.cause), error.what, error.expected, error.mend, traceback=error.lines)
    if isinstance(error, MoorageError):
        cause = next((cause for kind, cause in _CAUSES.items() if isinstance(error, kind)), Cause.INTERNAL)
        return StartupFailure(cause, error.what, error.expected, error.mend)
    return StartupFailure(
        Cause.INTERNAL,
        f"{type(error).__name__}: {error}",
        "Expected the model server to start.",
        "Read the deployment's logs; this is a fault of Moorage, please report it.",
    )


def _is_disk_full(error: BaseException) -> bool:
    if not isinstance(error, StoreRefused | OSError):
        return False
    return any(isinstance(cause, OSError) and cause.errno in _FULL for cause in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _disk_full(error: BaseException) -> StartupFailure:
    if isinstance(error, MoorageError):
        return StartupFailure(Cause.DISK_FULL, error.what, error.expected, error.mend)
    return StartupFailure(
        Cause.DISK_FULL,
        f"{error}.",
        "Expected room for the files of the revision.",
        "Free space where the deployment keeps its files.",
    )


def _environment_broken(error: ImportError, environment: str) -> StartupFailure:
    return StartupFailure(
        Cause.ENVIRONMENT_BROKEN,
        f"Environment {environment!r} cannot run the model server: {error}.",
        "Expected moorage[runtime] to be installed in it.",
        "Install it there; if a file beside the script bears the name of a package, rename that file.",
    )
