"""What the API server says no with, in our errors: who acts, and what to grant or change (pure)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from moorage.errors import BackendRefused, BackendUnavailable, MoorageError
from moorage.startup import Cause

# Controllers that write fields of ours in passing: an autoscaler the number of replicas, KServe what it fills in.
_CONTROLLERS: Final = frozenset({"kube-controller-manager", "manager", "kserve-controller-manager"})
_CONFLICT: Final = re.compile(r'conflict with "([^"]+)"')
_LATER: Final = frozenset({408, 429, 502, 503, 504})


@dataclass(frozen=True)
class Refusal:
    """An answer that is no success, as the API server gives it: a `Status`.

    Attributes:
        doing: what was asked for, a clause: "InferenceService 'iris' was not applied".
        status: the HTTP status.
        reason: the API's own word: Forbidden, Invalid, Conflict.
        message: what it says.
        fields: the fields that it names, each with what it says of it.
    """

    doing: str
    status: int
    reason: str
    message: str
    fields: tuple[tuple[str, str], ...] = ()

    @classmethod
    def read(cls, doing: str, status: int, body: bytes) -> Refusal:
        """The refusal in an answer's body; what is no `Status` is taken as text."""
        try:
            plain = json.loads(body)
            causes = (plain.get("details") or {}).get("causes") or ()
            fields = tuple((str(each.get("field", "")), str(each.get("message", ""))) for each in causes)
            if plain.get("kind") != "Status":
                raise ValueError("of somebody between us and the API server")
            return cls(doing, status, str(plain.get("reason") or ""), str(plain.get("message") or ""), fields)
        except (ValueError, AttributeError, TypeError):
            return cls(doing, status, "", body[:300].decode(errors="replace"))

    @property
    def is_conflict(self) -> bool:
        """Whether fields that we set are owned by somebody else."""
        return self.status == 409 and bool(self.owners)

    @property
    def owners(self) -> frozenset[str]:
        """The field managers that own fields which we set."""
        return frozenset(found[1] for _, said in self.fields if (found := _CONFLICT.search(said)))

    @property
    def is_of_controllers(self) -> bool:
        """Whether only controllers stand in the way, who write such fields in passing."""
        return self.is_conflict and self.owners <= _CONTROLLERS

    def error(self, namespace: str) -> MoorageError:
        """The error that says who acts."""
        what = f"{self.doing}: the cluster answered {self.status} ({self.message.rstrip('.')})."
        if "failed calling webhook" in self.message:
            return BackendRefused(
                what,
                "The cluster asks a webhook before it takes such an object, and that did not answer.",
                "See whether the controller that it belongs to runs; then deploy again.",
                cause=Cause.WEBHOOK_DENIED,
            )
        if "being terminated" in self.message:
            return BackendRefused(
                what,
                f"The namespace {namespace!r} is being deleted.",
                "Wait until it is gone, make it anew, and deploy again.",
                cause=Cause.NAMESPACE_TERMINATING,
            )
        if self.is_conflict:
            fields = ", ".join(f"{field.lstrip('.')} (owned by {_owner(said)})" for field, said in self.fields)
            return BackendRefused(
                f"{self.doing}: somebody else changed fields of it: {fields}.",
                "What Moorage applies, only Moorage changes.",
                "Put what they changed into the specification, or set rollout.take_over to overwrite it.",
                cause=Cause.FIELD_CONFLICT,
            )
        # without fields in conflict, somebody else wrote between two looks of the server's own
        if self.status in _LATER or self.status == 409 or self.status >= 500:
            return BackendUnavailable(what, "", "Do it again a little later.")
        if self.status in (401, 403):
            return self._denied(what)
        return self._told(what) or BackendRefused(what, "", _mend(self), cause=Cause.OBJECT_REFUSED)

    def _told(self, what: str) -> BackendRefused | None:
        """What admission has to say, under whichever status."""
        if "exceeded quota" in self.message:
            return BackendRefused(what, "", "Raise the quota, or ask for less.", cause=Cause.QUOTA_EXCEEDED)
        if "violates PodSecurity" in self.message:
            return BackendRefused(what, "", "Change what the policy refuses.", cause=Cause.POD_REFUSED)
        # a webhook, or a ValidatingAdmissionPolicy
        if "denied the request" in self.message or "denied request" in self.message:
            return BackendRefused(what, "", "Change what the policy refuses.", cause=Cause.WEBHOOK_DENIED)
        return None

    def _denied(self, what: str) -> BackendRefused:
        if told := self._told(what):
            return told
        mend = "Bind the Role of deployments/kubernetes/deployer.yaml to it, or use another context of KUBECONFIG."
        if self.status == 401:
            mend = "Log in to the cluster again, for what KUBECONFIG has is not accepted, or use another context of it."
        return BackendRefused(what, "", mend, cause=Cause.FORBIDDEN)


def _owner(said: str) -> str:
    found = _CONFLICT.search(said)
    return found[1] if found else "somebody"


def _mend(refusal: Refusal) -> str:
    named = ", ".join(field for field, _ in refusal.fields if field)
    return f"Look at {named}." if named else "See whether this version of the cluster is one that Moorage knows."
