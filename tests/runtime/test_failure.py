from __future__ import annotations

import errno

import pytest

from moorage.errors import (
    CallerError,
    IntegrityError,
    NotFound,
    PredictorScriptError,
    StoreRefused,
    StoreUnavailable,
)
from moorage.runtime.failure import startup_failure
from moorage.startup import Cause


def caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (IntegrityError("bytes differ"), Cause.DIGEST_MISMATCH),
        (NotFound("no such version"), Cause.FILES_MISSING),
        (StoreUnavailable("no answer"), Cause.STORE_UNAVAILABLE),
        (caused(StoreRefused("full"), OSError(errno.ENOSPC, "No space left")), Cause.DISK_FULL),
        (caused(StoreRefused("read-only"), OSError(errno.EROFS, "Read-only")), Cause.STORE_DENIED),
        (OSError(errno.ENOSPC, "No space left"), Cause.DISK_FULL),
        (OSError(errno.EIO, "I/O error"), Cause.INTERNAL),
        (ImportError("No module named 'kserve'"), Cause.ENVIRONMENT_BROKEN),
        (CallerError("cannot be asked"), Cause.INTERNAL),
        (RuntimeError("ours"), Cause.INTERNAL),
    ],
    ids=repr,
)
def test_what_ended_a_start_has_a_cause(error, cause):
    assert startup_failure(error, environment="e").cause is cause


def test_what_expected_and_mend_are_kept():
    failure = startup_failure(IntegrityError("what", "expected", "mend"), environment="e")
    assert (failure.message, failure.expected, failure.mend) == ("what", "expected", "mend")


def test_a_script_error_keeps_file_line_and_own_frames():
    error = PredictorScriptError("ValueError: x.", cause=Cause.SCRIPT_ERROR, file="predictor.py", line=4)
    failure = startup_failure(caused(error, ValueError("x")), environment="e")
    assert (failure.cause, failure.file, failure.line) == (Cause.SCRIPT_ERROR, "predictor.py", 4)
    assert failure.traceback == ("ValueError: x",)
