"""The API server's no, in our errors."""

import json

import pytest

from moorage.errors import BackendRefused, BackendUnavailable
from moorage.serving.cluster.refusals import Refusal
from moorage.startup import Cause

DOING = "Deployment 'iris' was not applied"


def a_refusal(status, reason, message, *fields):
    """As the API server answers: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/"""
    causes = [{"reason": "FieldManagerConflict", "field": field, "message": said} for field, said in fields]
    body = {"kind": "Status", "status": "Failure", "code": status, "reason": reason, "message": message}
    return Refusal.read(DOING, status, json.dumps(body | {"details": {"causes": causes}}).encode())


def owned_by(manager, field=".spec.replicas"):
    return field, f'conflict with "{manager}" using apps/v1'


def a_conflict(*fields):
    return a_refusal(409, "Conflict", f"Apply failed with {len(fields)} conflicts", *fields)


def test_a_status_is_read():
    read = a_refusal(422, "Invalid", "spec.replicas: Invalid value: -1", ("spec.replicas", "Invalid value: -1"))
    assert read == Refusal(
        DOING,
        422,
        "Invalid",
        "spec.replicas: Invalid value: -1",
        (("spec.replicas", "Invalid value: -1"),),
    )


NO_STATUS = {
    "text": (b"upstream connect error", "upstream connect error"),
    "nothing": (b"", ""),
    "no object": (b"[1]", "[1]"),
    "null": (b"null", "null"),
    "no letters": (b"\xff\xfe", "��"),
    "a long page": (b"<" * 1000, "<" * 300),
    "causes that are none": (b'{"details": {"causes": ["x"]}}', '{"details": {"causes": ["x"]}}'),
}


@pytest.mark.parametrize(("body", "message"), NO_STATUS.values(), ids=NO_STATUS.keys())
def test_what_is_no_status_is_taken_as_text(body, message):
    assert Refusal.read(DOING, 502, body) == Refusal(DOING, 502, "", message)


@pytest.mark.parametrize("body", [b"", b', "details": null', b', "details": {"causes": null}, "message": null'])
def test_a_status_that_says_little_is_read_all_the_same(body):
    assert Refusal.read(DOING, 403, b'{"kind": "Status"' + body + b"}") == Refusal(DOING, 403, "", "")


def test_a_cause_that_says_little_is_kept_all_the_same():
    read = Refusal.read(DOING, 422, b'{"kind": "Status", "details": {"causes": [{}, {"field": "spec.x"}]}}')
    assert read.fields == (("", ""), ("spec.x", ""))


def test_a_field_that_somebody_owns_is_a_conflict_and_names_them():
    conflict = a_conflict(owned_by("kubectl-edit"), owned_by("kubectl-edit", ".spec.paused"), owned_by("manager"))
    assert conflict.is_conflict
    assert conflict.owners == {"kubectl-edit", "manager"}


def test_a_subresource_has_owners_too():
    said = 'conflict with "kube-controller-manager" with subresource "scale" using apps/v1'
    assert a_conflict((".spec.replicas", said)).is_of_controllers


OWNERS = {
    "an autoscaler": (["kube-controller-manager"], True),
    "KServe": (["manager", "kserve-controller-manager"], True),
    "all controllers": (["manager", "kserve-controller-manager", "kube-controller-manager"], True),
    "somebody": (["kubectl-edit"], False),
    "somebody beside a controller": (["kube-controller-manager", "kubectl-edit"], False),
}


@pytest.mark.parametrize(("managers", "passing"), OWNERS.values(), ids=OWNERS.keys())
def test_controllers_write_in_passing_and_people_mean_it(managers, passing):
    assert a_conflict(*map(owned_by, managers)).is_of_controllers is passing


NO_CONFLICT = {
    "another status": a_refusal(422, "Invalid", "no", owned_by("manager")),
    "nobody owns anything": a_refusal(409, "AlreadyExists", 'deployments.apps "iris" already exists'),
}


@pytest.mark.parametrize("refusal", NO_CONFLICT.values(), ids=NO_CONFLICT.keys())
def test_other_refusals_are_no_conflicts(refusal):
    assert not refusal.is_conflict
    assert not refusal.is_of_controllers


def test_a_conflict_says_who_owns_which_field():
    error = a_conflict(owned_by("kubectl-edit"), (".spec.paused", "it is odd")).error("team")
    assert isinstance(error, BackendRefused)
    assert error.cause == Cause.FIELD_CONFLICT
    assert error.what == (
        f"{DOING}: somebody else changed fields of it: spec.replicas (owned by kubectl-edit),"
        " spec.paused (owned by somebody)."
    )
    assert "rollout.take_over" in error.mend


CANNOT_WHILE_ENDING = (
    'deployments.apps "iris" is forbidden:'
    " unable to create new content in namespace team because it is being terminated"
)
QUOTA = 'pods "iris-0" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=4, limited: pods=4'
POLICY = 'admission webhook "validate.kyverno.svc-fail" denied the request: only signed images'
POD_SECURITY = 'pods "iris-0" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
RIGHTS = 'deployments.apps is forbidden: User "system:serviceaccount:team:worker" cannot patch resource "deployments"'
WEBHOOK_DOWN = (
    'Internal error occurred: failed calling webhook "inferenceservice.kserve-webhook-server.defaulter":'
    ' failed to call webhook: Post "https://kserve-webhook-server-service.kserve.svc:443/mutate": connection refused'
)

# status, reason, message -> cause, and a part of the way out
REFUSED = {
    "a webhook that is down": (
        500,
        "InternalError",
        WEBHOOK_DOWN,
        Cause.WEBHOOK_DENIED,
        "controller that it belongs to runs",
    ),
    "a policy": (403, "Forbidden", POLICY, Cause.WEBHOOK_DENIED, "Change what the policy refuses."),
    "pod security": (403, "Forbidden", POD_SECURITY, Cause.POD_REFUSED, "Change what the policy refuses."),
    "rights": (403, "Forbidden", RIGHTS, Cause.FORBIDDEN, "Bind the Role of"),
    "nobody": (401, "Unauthorized", "Unauthorized", Cause.FORBIDDEN, "Log in to the cluster again"),
    "a quota": (403, "Forbidden", QUOTA, Cause.QUOTA_EXCEEDED, "Raise the quota, or ask for less."),
    "a quota, for an object of its own": (422, "Invalid", QUOTA, Cause.QUOTA_EXCEEDED, "Raise the quota"),
    "a namespace that ends": (
        403,
        "Forbidden",
        CANNOT_WHILE_ENDING,
        Cause.NAMESPACE_TERMINATING,
        "Wait until it is gone",
    ),
    "an object that is invalid": (
        422,
        "Invalid",
        "spec.x: Required value",
        Cause.OBJECT_REFUSED,
        "this version of the cluster",
    ),
    "a field that it does not know": (
        400,
        "BadRequest",
        'unknown field "spec.x"',
        Cause.OBJECT_REFUSED,
        "this version of",
    ),
    "no such path": (
        404,
        "NotFound",
        "the server could not find the requested resource",
        Cause.OBJECT_REFUSED,
        "this version",
    ),
}


@pytest.mark.parametrize(("status", "reason", "message", "cause", "mend"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_says_what_was_answered_and_who_acts(status, reason, message, cause, mend):
    error = a_refusal(status, reason, message).error("team")
    assert isinstance(error, BackendRefused)
    assert (error.cause, error.transient) == (cause, False)
    assert error.what == f"{DOING}: the cluster answered {status} ({message})."
    assert mend in error.mend


def test_a_namespace_that_ends_is_named():
    error = a_refusal(403, "Forbidden", CANNOT_WHILE_ENDING).error("team")
    assert error.expected == "The namespace 'team' is being deleted."


def test_the_fields_that_are_invalid_are_named():
    error = a_refusal(422, "Invalid", "no", ("spec.replicas", "no"), ("spec.strategy", "no"), ("", "no")).error("team")
    assert error.mend == "Look at spec.replicas, spec.strategy."


def test_a_message_ends_once():
    assert "(it is so)." in a_refusal(422, "Invalid", "it is so.").error("team").what


LATER = {
    "too many requests": (429, "TooManyRequests", "the server has received too many requests"),
    "not available": (503, "ServiceUnavailable", "the server is currently unable to handle the request"),
    "a proxy's word": (502, "", "Bad Gateway"),
    "a timeout": (504, "Timeout", "request did not complete within the allotted timeout"),
    "a request that came too slowly": (408, "", "Request Timeout"),
    "a store that changes its leader": (500, "", "etcdserver: leader changed"),
}


@pytest.mark.parametrize(("status", "reason", "message"), LATER.values(), ids=LATER.keys())
def test_what_passes_by_itself_can_be_tried_again(status, reason, message):
    error = a_refusal(status, reason, message).error("team")
    assert isinstance(error, BackendUnavailable)
    assert error.transient
    assert error.what == f"{DOING}: the cluster answered {status} ({message})."


def test_a_proxys_page_can_be_tried_again_too():
    error = Refusal.read(DOING, 503, b"<html>no healthy upstream</html>").error("team")
    assert isinstance(error, BackendUnavailable)
    assert "no healthy upstream" in error.what


PASSING = {
    "an error inside": (500, "InternalError", "etcdserver: request timed out"),
    "changed between two looks": (409, "Conflict", "the object has been modified; please apply your changes"),
}


@pytest.mark.parametrize(("status", "reason", "message"), PASSING.values(), ids=PASSING.keys())
def test_what_may_pass_by_itself_is_transient(status, reason, message):
    assert a_refusal(status, reason, message).error("team").transient


@pytest.mark.parametrize("message", ['admission webhook "v" denied the request: no', "Policy 'p' denied request: no"])
@pytest.mark.parametrize("status", [400, 403, 422])
def test_who_denies_a_request_is_told_under_whichever_status(status, message):
    assert a_refusal(status, "", message).error("team").cause is Cause.WEBHOOK_DENIED
