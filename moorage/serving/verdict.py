"""The typed cause of a failure, with its evidence and the way out (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from moorage.errors import BackendRefused, InferenceFailed
from moorage.startup import Cause, StartupFailure

# What the revision's digest determines: trying the same again cannot end otherwise. All else (a missing package, a port
# in use, a time-out, a lost file) may be mended without the revision changing.
_ITS_OWN_FAULT: Final = frozenset(
    {
        *(Cause.SYNTAX_ERROR, Cause.CLASS_MISSING, Cause.METHOD_MISSING, Cause.SCRIPT_ERROR, Cause.SCRIPT_EXITED),
        *(Cause.PREDICT_ERROR, Cause.WRONG_ANSWER),
    }
)


@dataclass(frozen=True)
class Verdict:
    """Why a revision does not serve, in a form that a person can act on and a program can match.

    Attributes:
        cause: one of a closed list.
        summary: what happened, a sentence.
        expected: what was expected instead; may be empty.
        mend: what to do; may be empty.
        file, line: where in the user's script, if it is the script's doing.
        evidence: what was seen: traceback frames, exit codes, the last log lines.
    """

    cause: Cause
    summary: str
    expected: str = ""
    mend: str = ""
    file: str | None = None
    line: int | None = None
    evidence: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """`predictor.py:12`, or an empty string when no line of a script is at fault."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def is_its_own_fault(self) -> bool:
        """Whether the revision itself is at fault, so that the same again would fail again."""
        # A PREDICT_ERROR without a line is an answer that did not come in time: a busy machine does that too.
        timed_out = self.cause is Cause.PREDICT_ERROR and self.line is None
        return self.cause in _ITS_OWN_FAULT and not timed_out

    def __str__(self) -> str:
        place = f" at {self.where}" if self.where else ""
        return " ".join(part for part in (f"{self.cause}{place}: {self.summary}", self.expected, self.mend) if part)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the ledger keeps them."""
        return asdict(self) | {"evidence": list(self.evidence)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Verdict:
        """The verdict that `to_dict` wrote."""
        return cls(**{**plain, "cause": Cause(plain["cause"]), "evidence": tuple(plain["evidence"])})

    @classmethod
    def of_error(cls, error: BackendRefused | InferenceFailed) -> Verdict:
        """What an error says that knows its cause."""
        return cls(Cause(error.cause), error.what, error.expected, error.mend)

    def refusal(self) -> BackendRefused:
        """The error that says the same; `of_error` is the way back."""
        return BackendRefused(self.summary, self.expected, self.mend, cause=self.cause)

    @classmethod
    def of_failure(cls, failure: StartupFailure, evidence: Sequence[str] = ()) -> Verdict:
        """What the model server itself reported, with what was seen around it."""
        return cls(
            cause=failure.cause,
            summary=failure.message,
            expected=failure.expected,
            mend=failure.mend,
            file=failure.file,
            line=failure.line,
            evidence=(*failure.traceback, *evidence),
        )
