"""From a revision to its pod: a first container that fetches and verifies, a second that proves and serves (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from moorage import environment
from moorage.components import ApiProtocol, Component
from moorage.deployment import Revision
from moorage.inference.protocol import model_path
from moorage.predictor import EnvVar
from moorage.resources import PredictorResources
from moorage.serving.cluster.marks import Manifest, Place

# KServe reports the failure of an init container of just this name, and injects none of its own beside it:
# https://github.com/kserve/kserve/blob/v0.20.0/pkg/webhook/admission/pod/storage_initializer_injector.go
FETCH_CONTAINER: Final = "storage-initializer"
HTTP_PORT: Final = 8080
GRPC_PORT: Final = 8081
MODEL_FILES: Final = "/mnt/models"
ARTIFACT_FILES: Final = "/mnt/artifacts"
_TERMINATION_LOG: Final = "/dev/termination-log"
# What fetching takes beside the page cache; a model server may be given less.
_FETCH_MEMORY_MB: Final = 512
# The user of our images; any other would do, for nothing in them belongs to it.
_USER: Final = 1000
# Longer than the runtime drains: a pod is killed only after its last answer.
_GRACE_S: Final = 45
_DRAIN_PAUSE_S: Final = 5
# How long a load may take before the kubelet ends it. The wait's own deadline, of 24 h at most, is the one that counts.
_STARTUP_PERIOD_S: Final = 1
STARTUP_S: Final = 86_400


def pod_spec(
    revision: Revision, place: Place, *, container: str, knative: bool = False, predictor_url: str = ""
) -> Manifest:
    """The pod of one instance; nothing in it but the revision and the place, so the same gives the same, byte by byte.

    Args:
        container: what the serving container is called; each serving tool has a word of its own.
        knative: without what Knative sees to itself and refuses: the end of pods, and probes of the start.
        predictor_url: where the transformer asks the predictor: then it is the transformer's pod.
    """
    resources = revision.resources
    if predictor_url and revision.transformer is not None:
        resources = revision.transformer.resources
    server = _server_container(revision, container, resources, predictor_url)
    if revision.api_protocol is ApiProtocol.GRPC:
        # the Service of the first container has a port for each of its: 80 for the first, the others by their numbers
        server["ports"].append({"name": "grpc", "containerPort": GRPC_PORT, "protocol": "TCP"})
        server["env"] = _with(server["env"], {environment.GRPC_PORT: str(GRPC_PORT)})
    if revision.log_topic is not None and not predictor_url:
        server |= _logging(server["env"], place)
    spec: Manifest = {
        "serviceAccountName": place.service_account,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": _GRACE_S,
        "initContainers": [_fetch_container(revision, place, resources, predictor_url)],
        "containers": [server],
        "volumes": _volumes(resources),
    }
    if knative:
        del spec["terminationGracePeriodSeconds"]
        for name in ("lifecycle", "startupProbe", "livenessProbe"):
            del server[name]
        # its own proxy asks, often while an instance starts, and rarely afterwards
        server["readinessProbe"] |= {"periodSeconds": 1, "failureThreshold": 3}
    placement = revision.placement
    if placement.node_selector:
        spec["nodeSelector"] = dict(placement.node_selector)
    if placement.tolerations:
        spec["tolerations"] = [
            {"key": each.key, "operator": "Exists" if each.value is None else "Equal"}
            | ({} if each.value is None else {"value": each.value})
            | ({"effect": each.effect.value} if each.effect.value else {})
            for each in placement.tolerations
        ]
    return spec


def _fetch_container(revision: Revision, place: Place, resources: PredictorResources, predictor_url: str) -> Manifest:
    container = _container(revision, FETCH_CONTAINER, "moorage.runtime.fetch")
    container["env"] = _variables(
        _component(predictor_url)
        | {
            environment.REVISION: _revision_json(revision),
            environment.STORE_URL: place.store_url,
            environment.REPORT_FILE: _TERMINATION_LOG,
            environment.MODEL_FILES_PATH: MODEL_FILES,
            environment.ARTIFACT_FILES_PATH: ARTIFACT_FILES,
            "HOME": "/tmp",  # noqa: S108 - the pod's own
        }
    )
    if place.store_secret is not None:
        container["envFrom"] = [{"secretRef": {"name": place.store_secret}}]
    container["resources"] = _amounts(resources, gpus=False, least_limit_mb=_FETCH_MEMORY_MB)
    container["volumeMounts"] = [_mount("files", "/mnt"), _mount("tmp", "/tmp")]  # noqa: S108
    return container


def _server_container(revision: Revision, name: str, resources: PredictorResources, predictor_url: str) -> Manifest:
    container = _container(revision, name, "moorage.runtime")
    component = Component.TRANSFORMER if predictor_url else Component.PREDICTOR
    variables = environment.script_variables(
        revision, model_files=MODEL_FILES, artifact_files=ARTIFACT_FILES, component=component
    )
    runtime = _component(predictor_url) | {
        environment.REVISION: _revision_json(revision),
        environment.REPORT_FILE: _TERMINATION_LOG,
        environment.LISTEN_PORT: str(HTTP_PORT),
        "PYTHONUNBUFFERED": "1",
    }
    container["env"] = sorted(
        [
            *_variables({"HOME": "/tmp"} | variables | runtime),  # noqa: S108
            *_secret_variables(environment.variables_of(revision, component)),
            *([] if predictor_url else _of_the_transformer(revision)),
        ],
        key=lambda variable: str(variable["name"]),
    )
    container["ports"] = [{"name": "http1", "containerPort": HTTP_PORT, "protocol": "TCP"}]
    container["resources"] = _amounts(resources, gpus=True)
    container["volumeMounts"] = [
        _mount("files", "/mnt") | {"readOnly": True},
        _mount("tmp", "/tmp"),  # noqa: S108
        *([_mount("shm", "/dev/shm")] if resources.shared_memory_mb else []),  # noqa: S108
    ]
    # Endpoints forget a pod that ends a moment after it was told to: until then it still takes new connections.
    container["lifecycle"] = {"preStop": {"sleep": {"seconds": _DRAIN_PAUSE_S}}}
    return container | _probes(revision)


def _logging(variables: list[Manifest], place: Place) -> Manifest:
    """The variables with those by which the predictor logs its exchanges."""
    secret = {} if place.kafka_secret is None else {"envFrom": [{"secretRef": {"name": place.kafka_secret}}]}
    return {"env": _with(variables, place.logging), **secret}


def _with(variables: list[Manifest], more: Mapping[str, str]) -> list[Manifest]:
    return sorted([*variables, *_variables(dict(more))], key=lambda variable: str(variable["name"]))


def _probes(revision: Revision) -> Manifest:
    """Ready is what answered its smoke requests: the runtime listens only then."""
    ask = {"httpGet": {"path": model_path(revision.deployment), "port": HTTP_PORT, "scheme": "HTTP"}}
    every_s = {"timeoutSeconds": 5, "successThreshold": 1}
    return {
        "startupProbe": ask
        | every_s
        | {"periodSeconds": _STARTUP_PERIOD_S, "failureThreshold": STARTUP_S // _STARTUP_PERIOD_S},
        "readinessProbe": ask | every_s | {"periodSeconds": 5, "failureThreshold": 3},
        # Only what hangs for five minutes is started anew: a long answer of an async script is no reason.
        "livenessProbe": ask | every_s | {"periodSeconds": 15, "failureThreshold": 20},
    }


def _container(revision: Revision, name: str, module: str) -> Manifest:
    return {
        "name": name,
        "image": revision.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", module],
        "terminationMessagePath": _TERMINATION_LOG,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        # of each container, not of the pod: Knative takes only that
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _volumes(resources: PredictorResources) -> list[Manifest]:
    volumes: list[Manifest] = [{"name": "files", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    shared = resources.shared_memory_mb
    if shared:
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{shared}Mi"}})
    return volumes


def _mount(name: str, path: str) -> Manifest:
    return {"name": name, "mountPath": path}


def _amounts(resources: PredictorResources, *, gpus: bool, least_limit_mb: int = 0) -> Manifest:
    requests, limits = resources.requests, {}
    if resources.limit_cores is not None:
        limits["cpu"] = cores_text(resources.limit_cores)
    if resources.limit_memory_mb is not None:
        limits["memory"] = f"{max(resources.limit_memory_mb, least_limit_mb)}Mi"
    asked = {"cpu": cores_text(requests.cores), "memory": f"{requests.memory_mb}Mi"}
    if gpus and requests.gpus:
        # Of what is not shared, request and limit are one: https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/
        asked["nvidia.com/gpu"] = limits["nvidia.com/gpu"] = str(requests.gpus)
    return {"requests": asked, "limits": limits}


def cores_text(cores: float) -> str:
    """As the API server writes it, so that what is applied compares equal to what is there: `2`, `500m`."""
    thousandths = round(cores * 1000)
    return f"{thousandths // 1000}" if thousandths % 1000 == 0 else f"{thousandths}m"


def _variables(values: dict[str, str]) -> list[dict[str, Any]]:
    # Kubernetes replaces $(NAME) in values; a doubled $ stands for one.
    return [{"name": name, "value": value.replace("$", "$$")} for name, value in sorted(values.items())]


def _component(predictor_url: str) -> dict[str, str]:
    """What says that it is the transformer's; nothing for the predictor, whose pods are as they were before."""
    if not predictor_url:
        return {}
    return {environment.COMPONENT: Component.TRANSFORMER.value, environment.PREDICTOR_URL: predictor_url}


def _secret_variables(given: Iterable[EnvVar], prefix: str = "") -> list[dict[str, Any]]:
    return [
        {"name": f"{prefix}{each.name}", "valueFrom": {"secretKeyRef": {"name": each.secret, "key": each.secret_key}}}
        for each in given
        if each.secret is not None
    ]


def _of_the_transformer(revision: Revision) -> list[dict[str, Any]]:
    """Its variables, for the predictor's pod that proves both."""
    given, prefix = environment.variables_of(revision, Component.TRANSFORMER), environment.OF_THE_TRANSFORMER
    plain = {f"{prefix}{each.name}": each.value for each in given if each.value is not None}
    return [*_variables(plain), *_secret_variables(given, prefix)]


def _revision_json(revision: Revision) -> str:
    """The whole revision but for its patience, which is the wait's alone: who has the pod has what it was made from.

    Keys are sorted, as the ledger sorts them: what was read from there is to give the same pod, byte by byte.
    """
    plain = revision.model_dump(mode="json", exclude={"rollout"}, exclude_defaults=True)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def revision_in(spec: Manifest) -> Revision | None:
    """The revision that a pod of ours was made from; None where somebody changed what it says."""
    for container in spec.get("initContainers") or ():
        for variable in container.get("env") or ():
            if variable["name"] == environment.REVISION:
                try:
                    return Revision.model_validate_json(variable.get("value", "").replace("$$", "$"))
                except ValueError:
                    return None
    return None
