"""Everything that goes wrong with a deploy in a cluster, made for real: for tests, and for the table in the docs."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import boto3
import yaml

from moorage.deployment import Revision, Rollout
from moorage.predictor import ServingTool
from moorage.resources import Limits, PredictorResources, Requests
from moorage.startup import Cause
from tests.cluster.kubectl import NAMESPACE, kubectl, objects
from tests.serving.conftest import DOUBLE, Workshop
from tests.waiting import until

Spoil = Callable[[Workshop, Revision], AbstractContextManager[object]]

_PREDICT = "\n    def predict(self, inputs):\n        "
IMPORT_ERROR = "import a_package_that_nobody_has\n" + DOUBLE
INIT_ERROR = DOUBLE.replace("self.factor =", "raise KeyError('factor')\n        self.factor =")
REQUEST_ERROR = "class Predictor:" + _PREDICT + "return [row['x'] for row in inputs]\n"
WRONG_ANSWER = "class Predictor:" + _PREDICT + "return [0 for row in inputs]\n"
ENDLESS = (
    "import time\nclass Predictor:\n    def __init__(self):\n        time.sleep(3600)" + _PREDICT + "return inputs\n"
)
GREEDY = "import time\nblock = bytearray(400 << 20)\nblock[::4096] = b'x' * len(block[::4096])\n" + DOUBLE
CRASH = "import ctypes\nctypes.string_at(0)\n" + DOUBLE


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        cause: the verdict; None: the deploy gets there all the same.
        changes: what the revision has otherwise than a good one.
        spoil: what is done to the world around it, and undone afterwards; it gets the revision before it is proposed.
        said: words that the verdict must have, in what happened, what was expected, how to mend it, or its evidence.
        stage: words that were told while it waited.
    """

    cause: Cause | None
    changes: dict[str, Any]
    spoil: Spoil = lambda *_: nullcontext()
    said: str = ""
    stage: str = ""


def key_of(revision: Revision) -> tuple[str, str]:
    """Bucket and key of the revision's one model file, below the workshop's store."""
    model = revision.model
    return "", f"Projects/{revision.project}/Models/{model.name}/{model.version}/Files/factor"


def _object(workshop: Workshop, revision: Revision) -> tuple[Any, str, str]:
    bucket, _, prefix = workshop.site.settings.store_url.removeprefix("s3://").partition("/")
    return boto3.client("s3"), bucket, f"{prefix}/{key_of(revision)[1]}"


@contextmanager
def altered(workshop: Workshop, revision: Revision) -> Iterator[None]:
    client, bucket, key = _object(workshop, revision)
    client.put_object(Bucket=bucket, Key=key, Body=b"3")
    yield


@contextmanager
def lost(workshop: Workshop, revision: Revision) -> Iterator[None]:
    client, bucket, key = _object(workshop, revision)
    client.delete_object(Bucket=bucket, Key=key)
    yield


@contextmanager
def secret(**values: str) -> Iterator[None]:
    """The store's Secret holds something else meanwhile."""
    before = yaml.safe_load(kubectl("get", "secret", "moorage-store", "-n", NAMESPACE, "-o", "yaml"))["data"]
    data = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    patch_object("secret", "moorage-store", {"data": data})
    try:
        yield
    finally:
        patch_object("secret", "moorage-store", {"data": before})


@contextmanager
def no_bucket(workshop: Workshop, revision: Revision) -> Iterator[None]:
    """Pods are sent to another server, which has no such bucket."""
    from tests.seaweed import running_seaweed

    host = os.environ["TESTS_HOST_ADDRESS"]
    with running_seaweed(host=host) as other:
        keys = {"AWS_ACCESS_KEY_ID": other.access_key, "AWS_SECRET_ACCESS_KEY": other.secret_key}
        with secret(AWS_ENDPOINT_URL=other.endpoint_url, **keys):
            yield


@contextmanager
def quota(workshop: Workshop, revision: Revision) -> Iterator[None]:
    """There is room for the pods that run and for no other."""
    # one that is ending may be gone before the next is made, and leave its room
    count = str(sum("deletionTimestamp" not in pod["metadata"] for pod in objects("pods")))
    with made("v1", "ResourceQuota", "tests", {"hard": {"pods": count}}):
        until(lambda: objects("resourcequota")[0].get("status", {}).get("used"), what="counting")
        yield


@contextmanager
def full_queue(workshop: Workshop, revision: Revision) -> Iterator[None]:
    """A queue with less quota than one pod asks for."""
    flavor = {"apiVersion": "kueue.x-k8s.io/v1beta1", "kind": "ResourceFlavor", "metadata": {"name": "tests"}}
    resources = [{"name": name, "nominalQuota": amount} for name, amount in (("cpu", "1m"), ("memory", "1Mi"))]
    group = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": "tests", "resources": resources}]}
    cluster_queue = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "ClusterQueue",
        "metadata": {"name": "tests"},
        "spec": {"namespaceSelector": {}, "resourceGroups": [group]},
    }
    local = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "LocalQueue",
        "metadata": {"name": "tests", "namespace": NAMESPACE},
        "spec": {"clusterQueue": "tests"},
    }
    text = yaml.safe_dump_all([flavor, cluster_queue, local])
    kubectl("apply", "-f", "-", stdin=text)
    try:
        yield
    finally:
        kubectl("delete", "-f", "-", "--wait=false", stdin=text)


@contextmanager
def cordoned(workshop: Workshop, revision: Revision) -> Iterator[None]:
    kubectl("cordon", *nodes())
    try:
        yield
    finally:
        kubectl("uncordon", *nodes())


@contextmanager
def webhook_down(workshop: Workshop, revision: Revision) -> Iterator[None]:
    """Whoever is asked before an object is taken does not answer."""
    name = "tests-nobody-answers"
    group, resource = (
        ("serving.kserve.io", "inferenceservices") if workshop.tool is ServingTool.KSERVE else ("apps", "deployments")
    )
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "nobody.answers.example.com",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "rules": [
                    {
                        "apiGroups": [group],
                        "apiVersions": ["*"],
                        "resources": [resource],
                        "operations": ["CREATE", "UPDATE"],
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 2,
            }
        ],
    }
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(hook))
    try:
        yield
    finally:
        kubectl("delete", "validatingwebhookconfiguration", name)


@contextmanager
def changed_by_hand(workshop: Workshop, revision: Revision) -> Iterator[None]:
    """Somebody set a field of ours with kubectl."""
    kind = "inferenceservice" if workshop.tool is ServingTool.KSERVE else "deployment"
    field = {"predictor": {"minReplicas": 2}} if workshop.tool is ServingTool.KSERVE else {"replicas": 2}
    patch_object(kind, "double", {"spec": field}, manager="kubectl-edit")
    yield
    one = {"predictor": {"minReplicas": 1}} if workshop.tool is ServingTool.KSERVE else {"replicas": 1}
    patch_object(kind, "double", {"spec": one}, manager="kubectl-edit")
    until(lambda: len(objects("pods")) == 1, timeout_s=90, what="the second instance's end")


@contextmanager
def deleted_meanwhile(workshop: Workshop, revision: Revision) -> Iterator[None]:
    """Somebody deletes the tool's own object as soon as the new revision shows in it."""
    kind = "inferenceservice" if workshop.tool is ServingTool.KSERVE else "deployment"
    with once_applied(workshop, revision, lambda: kubectl("delete", kind, "double", "-n", NAMESPACE, "--wait=false")):
        yield


@contextmanager
def probe_moved(workshop: Workshop, revision: Revision) -> Iterator[None]:
    """Somebody lets the probe ask a port on which nobody listens, as soon as the new revision shows."""

    def move() -> None:
        kserve = workshop.tool is ServingTool.KSERVE
        kind, path = ("inferenceservice", ["predictor"]) if kserve else ("deployment", ["template", "spec"])
        pod = yaml.safe_load(kubectl("get", kind, "double", "-n", NAMESPACE, "-o", "yaml"))["spec"]
        for step in path:
            pod = pod[step]
        pod["containers"][0]["startupProbe"]["httpGet"]["port"] = 8099
        patch: Any = {"containers": pod["containers"]}
        for step in reversed(path):
            patch = {step: patch}
        patch_object(kind, "double", {"spec": patch}, manager="kubectl-edit")

    with once_applied(workshop, revision, move):
        yield


@contextmanager
def once_applied(workshop: Workshop, revision: Revision, act: Callable[[], object]) -> Iterator[None]:
    """Does something in a thread, once the next revision is the one that the tool was given."""
    backend = workshop.site.backend(workshop.tool)
    before = backend.observe(revision.deployment).applied

    def wait_and_act() -> None:
        until(lambda: backend.observe(revision.deployment).applied != before, timeout_s=60)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextmanager
def made(version: str, kind: str, name: str, spec: dict[str, Any]) -> Iterator[None]:
    """An object in the tests' namespace, gone afterwards."""
    manifest = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump(manifest))
    try:
        yield
    finally:
        kubectl("delete", kind, name, "-n", NAMESPACE)


def patch_object(kind: str, name: str, patch: dict[str, Any], *, manager: str = "kubectl-patch") -> None:
    """Changes an object as somebody at a keyboard does."""
    kubectl(
        *("patch", kind, name, "-n", NAMESPACE, "--type=merge", f"--field-manager={manager}"), "-p", json.dumps(patch)
    )


def nodes() -> list[str]:
    """The names of all nodes."""
    return kubectl("get", "nodes", "-o", "name").replace("node/", "").split()


def _soon(seconds: float) -> Rollout:
    return Rollout(ready_timeout_s=seconds)


FAULTS: dict[str, Fault] = {
    "wrong image": Fault(Cause.IMAGE_PULL, {"image": "moorage.test/no-such-image:1"}, said="make images"),
    "wrong key": Fault(
        Cause.STORE_DENIED, {}, lambda *_: secret(AWS_SECRET_ACCESS_KEY="wrong-on-purpose"), said="MOORAGE_STORE_SECRET"
    ),
    "missing bucket": Fault(Cause.STORE_DENIED, {}, no_bucket, said="NoSuchBucket"),
    "altered object": Fault(Cause.DIGEST_MISMATCH, {}, altered, said="is not what was published"),
    "model file missing": Fault(Cause.FILES_MISSING, {}, lost, said="Files/factor' is missing"),
    "import error": Fault(Cause.PACKAGE_MISSING, {"script": IMPORT_ERROR}, said="a_package_that_nobody_has"),
    "exception in __init__": Fault(Cause.SCRIPT_ERROR, {"script": INIT_ERROR}, said="KeyError: 'factor'"),
    "exception on the smoke request": Fault(Cause.PREDICT_ERROR, {"script": REQUEST_ERROR}, said="predictor.py:3"),
    "wrong answer": Fault(Cause.WRONG_ANSWER, {"script": WRONG_ANSWER}, said="answered wrongly"),
    "crash in C code": Fault(Cause.CRASHED, {"script": CRASH}, said="Segmentation fault"),
    "memory limit too low": Fault(
        Cause.OUT_OF_MEMORY,
        {"script": GREEDY, "resources": PredictorResources(limits=Limits(memory_mb=300))},
        said="limits.memory_mb",
    ),
    "too many GPUs": Fault(
        Cause.UNSCHEDULABLE,
        {"resources": PredictorResources(requests=Requests(gpus=64))},
        said="Insufficient nvidia.com/gpu",
    ),
    "a Secret that is not there": Fault(
        Cause.PLACE_INCOMPLETE,
        {"env_vars": ({"name": "TOKEN", "secret": "nobody-made-it"},)},
        said='secret "nobody-made-it" not found',
    ),
    "quota": Fault(Cause.QUOTA_EXCEEDED, {}, quota, said="Quota 'tests' leaves 0 pods"),
    "node cordoned": Fault(Cause.UNSCHEDULABLE, {}, cordoned, said="Uncordon a node"),
    "endless load": Fault(
        Cause.NOT_READY_IN_TIME, {"script": ENDLESS, "rollout": _soon(12)}, said="loading the predictor script"
    ),
    "probe on the wrong port": Fault(Cause.PROBE_MISCONFIGURED, {}, probe_moved, said="its log says READY"),
    "webhook down": Fault(Cause.WEBHOOK_DENIED, {}, webhook_down, said="failed calling webhook"),
    "field owned by someone else": Fault(Cause.FIELD_CONFLICT, {}, changed_by_hand, said="owned by kubectl-edit"),
    "object deleted by someone": Fault(None, {}, deleted_meanwhile),
}
