"""Asks a new revision over HTTP, as a user would, and compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from moorage.deployment import Revision
from moorage.errors import InferenceFailed
from moorage.inference.client import InferenceClient
from moorage.inference.comparison import difference
from moorage.inference.dialect import dialect_of
from moorage.inference.protocol import ARTIFACT_DIGEST_HEADER, MODEL_DIGEST_HEADER, REVISION_HEADER
from moorage.startup import Cause

# A node or an ingress hears a moment late that the pods before are gone, and leads to them until then:
# https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions
LINGER_S: Final = 15
_POLL_S: Final = 0.3


@dataclass(frozen=True)
class Proof:
    """What was shown of a revision.

    Attributes:
        requests: how many smoke requests were answered; 0: only that it is ready, for there was nothing to ask.
        compared: how many of the answers were held against an expectation.
        slowest_ms: the slowest of the answers.
    """

    requests: int
    compared: int
    slowest_ms: float


def smoke_test(endpoint: str, revision: Revision, *, host: str = "", patience_s: float = LINGER_S) -> Proof:
    """Asks each smoke request of the revision and holds answer and digests against what they must be.

    Args:
        host: as for `InferenceClient`.
        patience_s: how long answers of an earlier revision are taken for the last ones of its pods.

    Raises:
        InferenceFailed: no answer, a wrong one, or one given by another revision or other files.
    """
    patient = Retrying(
        stop=stop_after_delay(patience_s),
        wait=wait_fixed(_POLL_S),
        retry=retry_if_exception_type(_EarlierAnswered),
        reraise=True,
    )
    return patient(_ask_all, endpoint, revision, host)


def _ask_all(endpoint: str, revision: Revision, host: str) -> Proof:
    spoken, timeout_s = dialect_of(revision.model_server), revision.smoke_timeout_s
    with InferenceClient(endpoint, revision.deployment, timeout_s=timeout_s, host=host, dialect=spoken) as client:
        ready = client.ready()
        _check_identity(revision, ready.headers)
        slowest = 0.0
        for number, request in enumerate(revision.smoke_requests, start=1):
            answer = client.predict(inputs=request.inputs, data=request.data)
            _check_identity(revision, answer.headers)
            wrong = None
            if request.expect is not None:
                wrong = difference(request.expect, answer.predictions, request.tolerance)
            if wrong is not None:
                raise InferenceFailed(
                    f"Smoke request {number} of {len(revision.smoke_requests)} was answered wrongly: {wrong}.",
                    mend=f"{_mend(revision)}, or mend what smoke_test expects.",
                    cause=Cause.WRONG_ANSWER,
                )
            slowest = max(slowest, answer.elapsed_ms)
    compared = sum(request.expect is not None for request in revision.smoke_requests)
    return Proof(len(revision.smoke_requests), compared, slowest)


def _mend(revision: Revision) -> str:
    scripted = revision.artifact.script_file is not None
    return "Mend the predictor script" if scripted else "See whether this is the model version that you mean"


class _EarlierAnswered(InferenceFailed):
    """The answer came from the deployment's own pods, but from those before."""


def _check_identity(revision: Revision, headers: Mapping[str, str]) -> None:
    wanted = {
        REVISION_HEADER: str(revision.number),
        MODEL_DIGEST_HEADER: revision.model.digest,
        ARTIFACT_DIGEST_HEADER: revision.artifact.digest,
    }
    for name, value in wanted.items():
        if headers.get(name, "") != value:
            earlier = name == REVISION_HEADER and headers.get(name, "").isdecimal() and int(headers[name]) < int(value)
            raise (_EarlierAnswered if earlier else InferenceFailed)(
                f"The answer came from somebody else: its {name} is {headers.get(name)!r}.",
                f"Expected {value!r}, as revision {revision.number} has it.",
                "Another deploy may be under way: see `moorage deployment history`.",
                cause=Cause.UNREACHABLE,
            )
