"""What stands in the way of a revision before anything is applied: facts in, obstacles out (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from moorage.deployment import Revision, Strategy
from moorage.serving.cluster.capacity import quantity, requests_of
from moorage.serving.cluster.kinds import EVENT, POD, Kind
from moorage.serving.cluster.marks import QUEUE, Manifest, Place, is_ours
from moorage.serving.cluster.strategy import BESIDE, Room, choose_strategy, no_room, surge_of
from moorage.serving.verdict import Verdict
from moorage.startup import Cause

# What a deploy does to each kind it writes, and what it needs to look at beside them.
VERBS: Final = ("get", "list", "watch", "create", "patch", "delete")
LOOKED_AT: Final = ((POD, "", "list"), (POD, "log", "get"), (EVENT, "", "list"))


@dataclass(frozen=True)
class PlaceFacts:
    """What was found where the revision is to run.

    Attributes:
        namespace: None where there is no such namespace, or it may not be looked at.
        namespace_known: whether it could be looked at.
        tool_served: whether the cluster knows the tool's own kind.
        denied: what who deploys may not do, as "patch inferenceservices".
        parent: the object that has the name already.
        missing: named objects that are not there: "service account 'x'".
        quotas, limit_ranges: of the namespace.
        room: where one more pod has room.
        own_pods: how many pods the deployment has.
    """

    namespace: Manifest | None
    namespace_known: bool
    tool_served: bool
    denied: tuple[str, ...]
    parent: Manifest | None
    missing: tuple[str, ...]
    quotas: tuple[Manifest, ...]
    limit_ranges: tuple[Manifest, ...]
    room: Room
    own_pods: int = 0


def obstacles(revision: Revision, place: Place, kind: Kind, pod: Manifest, facts: PlaceFacts) -> tuple[Verdict, ...]:
    """Every reason why applying would come to nothing; the first is the one to mend first.

    Args:
        kind: of the tool's own object.
        pod: the spec of one instance.
    """
    return tuple(_obstacles(revision, place, kind, pod, facts))


def _obstacles(revision: Revision, place: Place, kind: Kind, pod: Manifest, facts: PlaceFacts) -> Iterator[Verdict]:
    if not facts.tool_served:
        yield Verdict(
            Cause.TOOL_MISSING,
            f"The cluster does not know {kind.name} ({kind.version}).",
            f"Serving tool {revision.serving_tool} needs it.",
            "Install KServe 0.17 or newer, or set serving_tool to KUBERNETES.",
        )
    if facts.namespace_known:
        yield from _of_namespace(place, facts.namespace)
    if facts.denied:
        yield Verdict(
            Cause.FORBIDDEN,
            f"This account may not {', '.join(facts.denied)} in namespace {place.namespace!r}.",
            "A deploy needs all of it.",
            "Bind the Role of deployments/kubernetes/deployer.yaml to it.",
        )
    parent = facts.parent
    if parent is not None and not is_ours(parent, revision.deployment, revision.serving_tool, place.origin):
        yield taken(revision, kind, parent)
    elif parent is not None:
        yield from _of_queue(revision, parent)
    if facts.missing:
        yield Verdict(
            Cause.PLACE_INCOMPLETE,
            f"Namespace {place.namespace!r} has no {' and no '.join(facts.missing)}.",
            "Each pod names it.",
            "Create it (deployments/kubernetes has a template), or name another: MOORAGE_SERVICE_ACCOUNT,"
            " MOORAGE_STORE_SECRET, queue.",
        )
    yield from _of_quotas(pod, facts.quotas, _more_pods(revision, facts))
    yield from _of_limit_ranges(pod, facts.limit_ranges)
    if facts.room is Room.INSTEAD and revision.rollout.strategy is Strategy.ROLLING:
        yield no_room(revision, "no node has what it requests free")


def _of_queue(revision: Revision, parent: Manifest) -> Iterator[Verdict]:
    """Kueue lets no Deployment leave its queue, so a revision in another one could not be taken back.

    https://kueue.sigs.k8s.io/docs/tasks/run/deployment/
    """
    queue = (parent["metadata"].get("labels") or {}).get(QUEUE)
    if queue != revision.queue:
        before, after = (f"queue {name!r}" if name else "no queue" for name in (queue, revision.queue))
        yield Verdict(
            Cause.WEBHOOK_DENIED,
            f"Deployment {revision.deployment!r} is in {before}, and would be in {after}.",
            "Kueue does not let what exists leave its queue.",
            f"Delete it and deploy it again, its history stays: moorage deployment delete {revision.deployment}.",
        )


def _of_namespace(place: Place, namespace: Manifest | None) -> Iterator[Verdict]:
    if namespace is None:
        yield Verdict(
            Cause.PLACE_INCOMPLETE,
            f"There is no namespace {place.namespace!r}.",
            "The objects of a project are in one.",
            f"Create it: kubectl create namespace {place.namespace}; or set MOORAGE_NAMESPACE.",
        )
    elif namespace["metadata"].get("deletionTimestamp"):
        yield Verdict(
            Cause.NAMESPACE_TERMINATING,
            f"Namespace {place.namespace!r} is being deleted.",
            "Nothing new can be made in it.",
            "Wait until it is gone, make it anew, and deploy again.",
        )


def taken(revision: Revision, kind: Kind, parent: Manifest) -> Verdict:
    """Why an object that somebody else made under the deployment's name stops it."""
    name = parent["metadata"]["name"]
    return Verdict(
        Cause.OBJECT_TAKEN,
        f"There is a {kind.name} {name!r} already, and it is not that of deployment {revision.deployment!r} of this"
        " store and project.",
        "Moorage only touches what it made.",
        "Delete it, or choose another name or another MOORAGE_NAMESPACE.",
    )


def _more_pods(revision: Revision, facts: PlaceFacts) -> int:
    """How many more pods than now there will be at once: those that replace, beside those that stay."""
    surge = surge_of(revision) if choose_strategy(revision, facts.room) == BESIDE and facts.own_pods else 0
    return max(0, max(1, revision.least_instances) + surge - facts.own_pods)


def _counts_ours(quota: Manifest) -> bool:
    """Whether a quota is for such pods as ours: those without a deadline, which request something."""
    spec = quota.get("spec") or {}
    return not spec.get("scopeSelector") and set(spec.get("scopes") or ()) <= {"NotTerminating", "NotBestEffort"}


def _of_quotas(pod: Manifest, quotas: Sequence[Manifest], more: int) -> Iterator[Verdict]:
    asked = requests_of(pod)
    wanted = {f"requests.{name}": amount * more for name, amount in asked.items()}
    wanted |= {"pods": Decimal(more), "count/pods": Decimal(more)}
    wanted |= {name: asked[name] * more for name in ("cpu", "memory") if name in asked}
    for quota in filter(_counts_ours, quotas if more else ()):
        hard = (quota.get("status") or {}).get("hard") or {}
        used = (quota.get("status") or {}).get("used") or {}
        for name in sorted(hard.keys() & wanted.keys()):
            left = quantity(hard[name]) - quantity(used.get(name, 0))
            if wanted[name] > left:
                yield Verdict(
                    Cause.QUOTA_EXCEEDED,
                    f"Quota {quota['metadata']['name']!r} leaves {_plain(left)} {name}, and {_plain(wanted[name])} more"
                    f" would be needed for {more} {'pod' if more == 1 else 'pods'} at once.",
                    f"{hard[name]} is its bound, {used.get(name, 0)} is used.",
                    "Raise the quota, ask for less, or stop another deployment.",
                )


def _of_limit_ranges(pod: Manifest, ranges: Sequence[Manifest]) -> Iterator[Verdict]:
    """What one container may ask for: https://kubernetes.io/docs/concepts/policy/limit-range/"""
    for found in ranges:
        for item in found["spec"]["limits"]:
            if item["type"] != "Container":
                continue
            for container in (*pod.get("initContainers", ()), *pod["containers"]):
                for word, bound, beyond in (("limits", "max", 1), ("requests", "min", -1)):
                    asked = container["resources"].get(word) or {}
                    for name in sorted(asked.keys() & (item.get(bound) or {}).keys()):
                        if (quantity(asked[name]) - quantity(item[bound][name])) * beyond > 0:
                            yield _out_of_range(found, container, f"{word}.{name}", asked[name], bound, item)


def _out_of_range(found: Manifest, container: Manifest, field: str, asked: str, bound: str, item: Manifest) -> Verdict:
    most = item[bound][field.partition(".")[2]]
    return Verdict(
        Cause.QUOTA_EXCEEDED,
        f"LimitRange {found['metadata']['name']!r} refuses {field} {asked} of container {container['name']}.",
        f"A container has {'at most' if bound == 'max' else 'at least'} {most}.",
        "Change resources in the specification, or the LimitRange.",
    )


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
