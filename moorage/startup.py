"""What a model server tells of its own start.

The runtime writes it, backends read it: on this machine a file in the deployment's folder, in a pod the termination
message. So it is short (Kubernetes keeps 4,096 bytes), plain JSON, and known to both sides without either importing
the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

# https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
MAX_REPORT_BYTES: Final = 4096
MAX_TEXT: Final = 600
MAX_TRACEBACK_LINES: Final = 12


class Stage(StrEnum):
    """How far a model server has come, in the order of time. DRAINING: it accepts no more, and finishes its work."""

    FETCHING = "FETCHING"
    LOADING = "LOADING"
    PROVING = "PROVING"
    READY = "READY"
    DRAINING = "DRAINING"
    FAILED = "FAILED"


class Cause(StrEnum):
    """Why a revision does not serve. A closed list and a stable contract: reports, alerts and tests match on it."""

    SCRIPT_MISSING = "SCRIPT_MISSING"
    SYNTAX_ERROR = "SYNTAX_ERROR"
    CLASS_MISSING = "CLASS_MISSING"
    METHOD_MISSING = "METHOD_MISSING"
    PACKAGE_MISSING = "PACKAGE_MISSING"
    SCRIPT_ERROR = "SCRIPT_ERROR"
    SCRIPT_EXITED = "SCRIPT_EXITED"
    PREDICT_ERROR = "PREDICT_ERROR"
    WRONG_ANSWER = "WRONG_ANSWER"
    FILES_MISSING = "FILES_MISSING"
    DIGEST_MISMATCH = "DIGEST_MISMATCH"
    DISK_FULL = "DISK_FULL"
    STORE_DENIED = "STORE_DENIED"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    IMAGE_PULL = "IMAGE_PULL"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    UNSCHEDULABLE = "UNSCHEDULABLE"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    POD_REFUSED = "POD_REFUSED"
    PROBE_MISCONFIGURED = "PROBE_MISCONFIGURED"
    WEBHOOK_DENIED = "WEBHOOK_DENIED"
    FORBIDDEN = "FORBIDDEN"
    FIELD_CONFLICT = "FIELD_CONFLICT"
    OBJECT_REFUSED = "OBJECT_REFUSED"
    OBJECT_TAKEN = "OBJECT_TAKEN"
    NAMESPACE_TERMINATING = "NAMESPACE_TERMINATING"
    STUCK_TERMINATING = "STUCK_TERMINATING"
    TOOL_MISSING = "TOOL_MISSING"
    PLACE_INCOMPLETE = "PLACE_INCOMPLETE"
    API_UNREACHABLE = "API_UNREACHABLE"
    HELD_BY_QUEUE = "HELD_BY_QUEUE"
    PORT_IN_USE = "PORT_IN_USE"
    ADDRESS_UNUSABLE = "ADDRESS_UNUSABLE"
    ANOTHER_STORE = "ANOTHER_STORE"
    ENVIRONMENT_BROKEN = "ENVIRONMENT_BROKEN"
    CRASHED = "CRASHED"
    KILLED = "KILLED"
    NOT_READY_IN_TIME = "NOT_READY_IN_TIME"
    SUPERVISOR_GONE = "SUPERVISOR_GONE"
    UNREACHABLE = "UNREACHABLE"
    INTERRUPTED = "INTERRUPTED"
    INTERNAL = "INTERNAL"


# How a pod's fetch ends when it fails, as sysexits.h numbers such ends; every other cause is an INTERNAL one there.
EXIT_CODES: Final[Mapping[Cause, int]] = MappingProxyType(
    dict.fromkeys(Cause, 70)
    | {
        Cause.DIGEST_MISMATCH: 65,
        Cause.FILES_MISSING: 66,
        Cause.STORE_UNAVAILABLE: 69,
        Cause.DISK_FULL: 73,
        Cause.STORE_DENIED: 77,
    }
)


@dataclass(frozen=True)
class StartupFailure:
    """Why the model server gave up.

    Attributes:
        cause: which of the closed list.
        message: what happened, in the words of the author of the script.
        expected, mend: as in `MoorageError`.
        file, line: where in the user's script; None when it is not the script's doing.
        traceback: the user's own frames, innermost last, at most `MAX_TRACEBACK_LINES` lines.
    """

    cause: Cause
    message: str
    expected: str = ""
    mend: str = ""
    file: str | None = None
    line: int | None = None
    traceback: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> StartupFailure:
        """The failure in plain values, as `dataclasses.asdict` and JSON leave it."""
        return cls(**{**plain, "cause": Cause(plain["cause"]), "traceback": tuple(plain["traceback"])})


@dataclass(frozen=True)
class StartupReport:
    """How far the start of one revision has come."""

    revision: int
    stage: Stage
    failure: StartupFailure | None = None

    def to_json(self) -> str:
        """The report in at most `MAX_REPORT_BYTES` bytes: texts are cut, the traceback from its outer end."""
        longest, lines = MAX_TEXT, MAX_TRACEBACK_LINES
        while len(text := _dump(self._cut(longest, lines))) > MAX_REPORT_BYTES:
            # the traceback goes first: it is in the log too
            longest, lines = (longest, lines - 1) if lines else (longest // 2, 0)
        return text.decode()

    def _cut(self, longest: int, lines: int) -> dict[str, object]:
        plain = asdict(self)
        if self.failure is not None:
            texts = {name: _cut(text, longest) for name, text in plain["failure"].items() if isinstance(text, str)}
            kept = self.failure.traceback[-lines:] if lines else ()
            plain["failure"] |= texts | {
                "cause": self.failure.cause,
                "traceback": [_cut(line, longest) for line in kept],
            }
        return plain

    @classmethod
    def from_json(cls, text: str) -> StartupReport | None:
        """The report in `text`, or None for what is none: a file half written, or another program's last words."""
        try:
            plain = json.loads(text)
            failure = plain["failure"]
            return cls(
                revision=int(plain["revision"]),
                stage=Stage(plain["stage"]),
                failure=None if failure is None else StartupFailure.from_dict(failure),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None


def _dump(plain: dict[str, object]) -> bytes:
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: max(0, longest - 1)] + "…"
