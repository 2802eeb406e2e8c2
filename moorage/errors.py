"""Everything that can go wrong, as one tree. The branches say who acts next.

MoorageError
├── CallerError                 whoever asked: mend the request and ask again
│   ├── InvalidSpec             the specification breaks rules; all of them are listed
│   ├── InvalidName             a name, key or path that no store or serving tool could hold
│   ├── NotFound                no such model, version, deployment or file
│   ├── Quarantined             this very revision failed before and nothing changed since
│   └── Superseded              a newer proposal took over; this run stops
├── PredictorScriptError        the author of the predictor script: their file, their line
└── PlatformError               whoever runs the platform
    ├── StoreUnavailable        the store did not answer                              (transient)
    ├── StoreRefused            the store answered no: full, read-only, no hard links
    ├── IntegrityError          bytes are not what the manifest says
    │   └── ObjectMissing       or they are not there at all
    ├── BackendUnavailable      the serving tool did not answer                       (transient)
    ├── BackendRefused          the serving tool answered no: rights, rules, what others own
    ├── ServerEnded             a model server that is not ours ended by itself, or could not be started
    ├── LogUnavailable          Kafka, or the schema registry, did not answer         (transient)
    ├── LogRefused              one of them answered no, or none is named
    ├── SecretMissing           a secret that a deployment names is not where it runs
    ├── SomeFailed              of several deployments some came to nothing
    ├── ProvisionFailed         the new revision cannot serve; carries the verdict
    │   └── NotReadyInTime      the deadline passed; carries what was seen last
    └── InferenceFailed         the deployment answered an error, or nothing at all
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from moorage.serving.verdict import Verdict


@dataclass(frozen=True)
class Violation:
    """One broken rule: what was found, what was expected, how to mend it.

    Attributes:
        place: file and line, where they are known: `iris.yaml:7`.
    """

    rule: str
    field: str
    found: str
    expected: str
    mend: str = ""
    place: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return " ".join(part for part in (f"{where}{self.field}: {self.found}", self.expected, self.mend) if part)


class MoorageError(Exception):
    """What happened, what was expected, how to mend it.

    Attributes:
        what: what happened, a sentence.
        expected: what was expected instead; may be empty.
        mend: how to mend it; may be empty.
        transient: whether the same call may succeed a little later without anybody changing anything.
    """

    transient: ClassVar[bool] = False

    def __init__(self, what: str, expected: str = "", mend: str = "") -> None:
        super().__init__(what, expected, mend)
        self.what = what
        self.expected = expected
        self.mend = mend

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.expected, self.mend) if part)


class CallerError(MoorageError):
    """The request is at fault; nothing was changed."""


class InvalidSpec(CallerError):
    """The specification breaks one rule or more; `violations` holds them all."""

    def __init__(self, name: str, violations: Sequence[Violation]) -> None:
        lines = "\n".join(f"  - {violation}" for violation in violations)
        count = "one rule" if len(violations) == 1 else f"{len(violations)} rules"
        super().__init__(f"The specification of deployment {name!r} breaks {count}:\n{lines}")
        self.args = (name, violations)
        self.name = name
        self.violations = tuple(violations)


class InvalidName(CallerError):
    """A name, key or path that no store or serving tool could hold."""


class NotFound(CallerError):
    """No such model, version, deployment or file."""


class Quarantined(CallerError):
    """This very revision failed before, and nothing has changed since."""


class Superseded(CallerError):
    """The deployment is not this run's any more; `reason` says whose it is now: a newer revision, or nobody's."""

    def __init__(self, deployment: str, revision: int, reason: str) -> None:
        super().__init__(
            f"Revision {revision} of deployment {deployment!r} is not the newest any more: {reason}.",
            mend=f"Nothing to mend; see `moorage deployment history {deployment}`.",
        )
        self.args = (deployment, revision, reason)
        self.reason = reason


class PredictorScriptError(MoorageError):
    """The user's script is at fault; `file` and `line` point into it.

    Attributes:
        cause: a `moorage.startup.Cause` value.
        file: the script's file name; line: the line in it, when known.
    """

    def __init__(
        self, what: str, expected: str = "", mend: str = "", *, cause: str, file: str, line: int | None
    ) -> None:
        super().__init__(what, expected, mend)
        self.cause = cause
        self.file = file
        self.line = line

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_script_error, (*self.args, self.cause, self.file, self.line)


def _rebuild_script_error(
    what: str, expected: str, mend: str, cause: str, file: str, line: int | None
) -> PredictorScriptError:
    return PredictorScriptError(what, expected, mend, cause=cause, file=file, line=line)


class PlatformError(MoorageError):
    """The store, the serving tool or the machine is at fault."""


class StoreUnavailable(PlatformError):
    """The store did not answer."""

    transient = True


class StoreRefused(PlatformError):
    """The store answered no: full, read-only, or lacking what the protocol needs."""


class IntegrityError(PlatformError):
    """Bytes are not what the manifest says."""


class ObjectMissing(IntegrityError):
    """What a manifest lists is not in the store any more."""


class BackendUnavailable(PlatformError):
    """The serving tool did not answer."""

    transient = True


class BackendRefused(PlatformError):
    """The serving tool answered no, and will again until somebody changes something.

    Attributes:
        cause: a `moorage.startup.Cause` value.
    """

    def __init__(self, what: str, expected: str = "", mend: str = "", *, cause: str = "INTERNAL") -> None:
        super().__init__(what, expected, mend)
        self.cause = cause

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_refused, (*self.args, self.cause)


def _rebuild_refused(what: str, expected: str, mend: str, cause: str) -> BackendRefused:
    return BackendRefused(what, expected, mend, cause=cause)


class ServerEnded(PlatformError):
    """A model server that is not ours ended by itself, or could not be started.

    Attributes:
        cause: a `moorage.startup.Cause` value.
        lines: what it said last.
    """

    def __init__(self, what: str, expected: str = "", mend: str = "", *, cause: str, lines: Sequence[str] = ()) -> None:
        super().__init__(what, expected, mend)
        self.cause = cause
        self.lines = tuple(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_ended, (*self.args, self.cause, self.lines)


def _rebuild_ended(what: str, expected: str, mend: str, cause: str, lines: tuple[str, ...]) -> ServerEnded:
    return ServerEnded(what, expected, mend, cause=cause, lines=lines)


class LogUnavailable(PlatformError):
    """Kafka, or the schema registry, did not answer."""

    transient = True


class LogRefused(PlatformError):
    """Inferences cannot be logged: no broker is named, or it or the schema registry answered no."""


class SecretMissing(PlatformError):
    """A secret that a deployment names is not where it runs, or is open to others."""


class SomeFailed(PlatformError):
    """Of several deployments some came to nothing; what became of the others stands."""


class ProvisionFailed(PlatformError):
    """The new revision cannot serve; `verdict` says why and what to do."""

    def __init__(self, deployment: str, revision: int, verdict: Verdict) -> None:
        super().__init__(f"Deployment {deployment!r} revision {revision} failed: {verdict}")
        self.args = (deployment, revision, verdict)
        self.deployment = deployment
        self.revision = revision
        self.verdict = verdict


class NotReadyInTime(ProvisionFailed):
    """The deadline passed; `verdict` holds what was seen last."""


class InferenceFailed(PlatformError):
    """The deployment answered an error, something else than was expected, or nothing at all.

    Attributes:
        cause: a `moorage.startup.Cause` value: UNREACHABLE, PREDICT_ERROR or WRONG_ANSWER.
        status: the HTTP status, when there was an answer.
    """

    def __init__(
        self, what: str, expected: str = "", mend: str = "", cause: str = "UNREACHABLE", status: int | None = None
    ) -> None:
        super().__init__(what, expected, mend)
        self.args = (what, expected, mend, cause, status)
        self.cause = cause
        self.status = status
