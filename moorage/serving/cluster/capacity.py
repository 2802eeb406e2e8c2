"""Whether one more pod fits, by what nodes have and pods have been promised (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from moorage.serving.cluster.marks import Manifest

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_SUFFIXES: Final[dict[str, str | int]] = {
    "": 1, "n": "1e-9", "u": "1e-6", "m": "1e-3", "k": 1000, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
    "E": 10**18, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_QUANTITY: Final = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]+)|([a-zA-Z]*))")
_OVER: Final = frozenset({"Succeeded", "Failed"})

Amounts = dict[str, Decimal]


def quantity(text: object) -> Decimal:
    """A quantity of Kubernetes' as a number: `500m` is 0.5, `1Gi` is 1073741824."""
    found = _QUANTITY.fullmatch(str(text))
    if found is None or (found[3] or "") not in _SUFFIXES:
        raise ValueError(f"{text!r} is no quantity")
    power = Decimal(10) ** int(found[2]) if found[2] else Decimal(_SUFFIXES[found[3] or ""])
    return Decimal(found[1]) * power


def requests_of(spec: Manifest) -> Amounts:
    """What the scheduler sets aside for a pod: its containers together, or its largest init container.

    An init container that goes on beside them counts with them:
    https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
    """
    first = spec.get("initContainers") or ()
    beside = [each for each in first if each.get("restartPolicy") == "Always"]
    together = _summed(each.get("resources", {}).get("requests", {}) for each in (*spec["containers"], *beside))
    for container in (each for each in first if each.get("restartPolicy") != "Always"):
        for name, text in (container.get("resources", {}).get("requests") or {}).items():
            together[name] = max(together.get(name, Decimal(0)), quantity(text))
    return together


def fits(spec: Manifest, nodes: Iterable[Manifest], pods: Sequence[Manifest]) -> bool:
    """Whether some node has room for one more such pod beside all that runs.

    Args:
        spec: of the pod; its node selector counts, its tolerations only against taints that keep pods away.
        pods: of all namespaces.
    """
    wanted = requests_of(spec)
    return any(_has_room(node, wanted, pods) for node in nodes if _takes(node, spec))


def _has_room(node: Manifest, wanted: Mapping[str, Decimal], pods: Sequence[Manifest]) -> bool:
    free = _free(node, pods)
    one_more = {**wanted, "pods": Decimal(1)}
    return all(free.get(name, Decimal(0)) >= need for name, need in one_more.items())


def _free(node: Manifest, pods: Sequence[Manifest]) -> Amounts:
    free = {name: quantity(text) for name, text in (node["status"].get("allocatable") or {}).items()}
    for pod in pods:
        if pod["spec"].get("nodeName") != node["metadata"]["name"] or pod["status"].get("phase") in _OVER:
            continue
        for name, taken in (requests_of(pod["spec"]) | {"pods": Decimal(1)}).items():
            free[name] = free.get(name, Decimal(0)) - taken
    return free


def _takes(node: Manifest, spec: Manifest) -> bool:
    if node["spec"].get("unschedulable"):
        return False
    labels = node["metadata"].get("labels") or {}
    if not (spec.get("nodeSelector") or {}).items() <= labels.items():
        return False
    taints = [taint for taint in node["spec"].get("taints") or () if taint["effect"] != "PreferNoSchedule"]
    return all(any(_tolerates(each, taint) for each in spec.get("tolerations") or ()) for taint in taints)


def _tolerates(toleration: Manifest, taint: Manifest) -> bool:
    same_value = toleration.get("operator") == "Exists" or toleration.get("value", "") == taint.get("value", "")
    same_effect = not toleration.get("effect") or toleration["effect"] == taint["effect"]
    return toleration.get("key") == taint["key"] and same_value and same_effect


def _summed(parts: Iterable[Mapping[str, object] | None]) -> Amounts:
    together: Amounts = {}
    for part in parts:
        for name, text in (part or {}).items():
            together[name] = together.get(name, Decimal(0)) + quantity(text)
    return together
