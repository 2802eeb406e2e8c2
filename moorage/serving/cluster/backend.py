"""The seven verbs on a cluster: read, decide elsewhere, write. What the two tools differ in is their `Shape`."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from moorage.components import Component
from moorage.deployment import Revision, State
from moorage.errors import BackendRefused, BackendUnavailable, MoorageError
from moorage.serving.base import Address, Observation, Plan
from moorage.serving.cluster import preflight
from moorage.serving.cluster.difference import differences
from moorage.serving.cluster.kinds import DEPLOYMENT, EVENT, LOCAL_QUEUE, POD, Kind, kind_of
from moorage.serving.cluster.listing import Listing, Reader
from moorage.serving.cluster.marks import COMPONENT, Manifest, Place, belongs_to, is_ours, object_name, selector
from moorage.serving.cluster.own_pod import kubeconfig
from moorage.serving.cluster.pods import PodFacts, is_running_unready, is_unschedulable
from moorage.serving.cluster.podspec import HTTP_PORT, pod_spec
from moorage.serving.cluster.replicas import carry_over
from moorage.serving.cluster.routes import by_ingress, service_url, users_url, wait_until_routed
from moorage.serving.cluster.shape import Route, Router, Shape, Wish, share_of
from moorage.serving.cluster.status import Sight, observe, view_all_pods, view_pods
from moorage.serving.cluster.strategy import BESIDE, announce, choose_strategy
from moorage.serving.cluster.surroundings import Surroundings
from moorage.serving.verdict import Verdict

if TYPE_CHECKING:
    from moorage.serving.cluster.client import ClusterClient

# As the runtime's log says that it listens.
_SAYS_READY: Final = re.compile(r": READY$")
# Enough for the traceback that a crash in C code leaves.
_EVIDENCE_LINES: Final = 30


@dataclass(frozen=True)
class ClusterBackend:
    """Model deployments as objects of one namespace.

    Attributes:
        shape: what the serving tool writes and reads.
        place: where, and as whom.
        client: the way there.
    """

    shape: Shape
    place: Place
    client: ClusterClient

    def plan(self, revision: Revision) -> Plan:
        facts = self._surroundings.facts(revision, self._pods(revision.deployment))
        pod = pod_spec(revision, self.place, container=self.shape.container)
        obstacles = preflight.obstacles(revision, self.place, self.shape.kinds[0], pod, facts)
        if obstacles:
            return Plan((), obstacles)
        strategy = choose_strategy(revision, facts.room)
        changes: list[str] = []
        share = self._share_planned(revision, facts.parent)
        for manifest in self._manifests(revision, strategy, facts.parent, running=True, share=share):
            try:
                after = self.client.apply(manifest, dry_run=True, force=revision.rollout.take_over)
            except BackendRefused as refusal:
                return Plan(tuple(changes), (Verdict.of_error(refusal),))
            before = self.client.get(kind_of(manifest), manifest["metadata"]["name"])
            changes += differences(before, after)
        if changes and facts.parent is not None:
            changes.append(announce(strategy))
        return Plan(tuple(changes))

    def apply(self, revision: Revision) -> None:
        self._apply(revision)

    def _apply(self, revision: Revision, share: int | None = None) -> None:
        parent = self._parent(revision.deployment)
        if parent is not None and not self._is_ours(parent, revision.deployment):
            raise preflight.taken(revision, self.shape.kinds[0], parent).refusal()
        strategy = choose_strategy(revision, self._surroundings.room(revision, self._pods(revision.deployment)))
        share = share_of(share, revision.number, None if parent is None else self.shape.read(parent))
        self._apply_all(revision, strategy, parent, running=True, share=share)

    def queues(self) -> tuple[str, ...]:
        return tuple(sorted(each["metadata"]["name"] for each in self.client.find(LOCAL_QUEUE)))

    def observe(self, deployment: str) -> Observation:
        return self._observe(deployment, self.client)

    def observe_all(self, deployments: Collection[str]) -> dict[str, Observation]:
        """As `observe` each, by one list of each kind of object."""
        listing = Listing(self.client)
        return {deployment: self._observe(deployment, listing) for deployment in deployments}

    def _observe(self, deployment: str, reader: Reader) -> Observation:
        sight = self._sight(deployment, reader)
        if sight is None:
            return Observation(State.CREATED, stage="never started")
        seen = observe(sight)
        if seen.verdict is not None and seen.state is not State.STOPPING:
            return replace(seen, verdict=self._with_log(seen.verdict, sight))
        return seen

    def endpoint(self, deployment: str) -> str | None:
        return self.observe(deployment).endpoint

    @contextmanager
    def reach(self, deployment: str) -> Iterator[Address | None]:
        sight = self._sight(deployment)
        seen = None if sight is None else observe(sight)
        if sight is None or seen is None or seen.endpoint is None:
            yield None
        else:
            service = self.shape.service(deployment, _entry(sight))
            with self._way_to(deployment, service, sight.url, seen.processes) as address:
                yield address

    @contextmanager
    def _way_to(
        self, deployment: str, service: str, named: str | None, pods: Sequence[str]
    ) -> Iterator[Address | None]:
        """The Service from inside the cluster, else the ingress, else one of the pods."""
        if kubeconfig(os.environ) is None:
            address = Address(service_url(self.place, service))
            wait_until_routed(address, deployment)
            yield address
        elif self.place.ingress is not None and named is not None:
            address = by_ingress(self.place.ingress, named)
            wait_until_routed(address, deployment)
            yield address
        elif pods:
            # imported here, as the client is: what talks to a cluster takes half a second to load
            from moorage.serving.cluster.forward import forwarded

            with forwarded(self.client, pods[0], HTTP_PORT) as url:
                yield Address(url)
        else:
            # scaled to zero: only a request through the ingress starts an instance
            yield None if named is None else Address(named)

    def logs(
        self,
        deployment: str,
        *,
        revision: int | None = None,
        component: Component = Component.PREDICTOR,
        tail: int = 100,
    ) -> tuple[str, ...]:
        sight = self._sight(deployment)
        if sight is not None and component is Component.TRANSFORMER:
            sight = sight.transformer
        if sight is None:
            return ()
        wanted = sight.applied if revision is None else revision
        view = next((view for view in view_pods(sight) if view.revision == wanted), None)
        return () if view is None else self._log_of(view.name, view.container, tail)

    def stop(self, deployment: str) -> None:
        parent = self._parent(deployment)
        if parent is None or not self._is_ours(parent, deployment):
            return
        wish = self.shape.read(parent)
        if not wish.running:
            return
        if wish.revision is None:
            # somebody changed it so that it does not say any more what it was made from; what is stopped is gone then
            self._delete_all(deployment)
        else:
            self._apply_all(wish.revision, BESIDE, parent, running=False)

    def delete(self, deployment: str) -> None:
        self.stop(deployment)
        if self.observe(deployment).state is State.STOPPING:
            raise BackendUnavailable(
                f"Deployment {deployment!r} is still stopping.", "It is deleted once it has stopped.", "Try again."
            )
        self._delete_all(deployment)

    @contextmanager
    def changes(self, deployment: str) -> Iterator[Callable[[], None]]:
        """Something to wait with: returns when the deployment's objects changed, or after a second."""
        from moorage.serving.cluster.changes import ChangeFeed

        kinds = tuple(dict.fromkeys((POD, DEPLOYMENT, self.shape.kinds[0])))
        feed = ChangeFeed(self.client, kinds, selector(deployment, self.shape.tool))
        with feed.watching():
            yield feed.pause

    def _share_planned(self, revision: Revision, parent: Manifest | None) -> int | None:
        """What it would get at first; a draft has no number yet, so what it is made of tells whether it is applied."""
        wish = None if parent is None else self.shape.read(parent)
        if wish is None or not wish.running:
            return None
        applied = wish.revision is not None and wish.revision.digest == revision.digest
        return wish.share if applied else revision.rollout.canary_percent

    def _manifests(
        self,
        revision: Revision,
        strategy: Manifest,
        parent: Manifest | None,
        *,
        running: bool,
        share: int | None = None,
    ) -> list[Manifest]:
        manifests = self.shape.manifests(revision, self.place, strategy, running=running, share=share)
        return [carry_over(each, parent) for each in manifests]

    def _apply_all(
        self,
        revision: Revision,
        strategy: Manifest,
        parent: Manifest | None,
        *,
        running: bool,
        share: int | None = None,
    ) -> None:
        applied = {}
        for manifest in self._manifests(revision, strategy, parent, running=running, share=share):
            # The plan refused what others own; a restore, a stop, and what was planned just now are not held up by it.
            applied[kind_of(manifest)] = self.client.apply(manifest, force=True)
        # an autoscaler that is not wanted any more, and nothing else
        for kind in self.shape.kinds[1:]:
            if kind not in applied:
                self._delete(kind, revision.deployment)
        if revision.transformer is None:
            self._delete_left_behind(revision.deployment, applied[self.shape.kinds[0]])

    def _delete_all(self, deployment: str) -> None:
        for kind in self.shape.kinds:
            self._delete(kind, deployment)

    def _delete(self, kind: Kind, deployment: str) -> None:
        for found in self.client.find(kind, selector=selector(deployment, self.shape.tool)):
            if self._is_ours(found, deployment):
                self._delete_one(kind, found)

    def _delete_left_behind(self, deployment: str, parent: Manifest) -> None:
        """Takes away what the tool made of our object for a transformer, which this has no longer."""
        transformers = selector(deployment, self.shape.tool, Component.TRANSFORMER)
        for kind in self.shape.left_behind:
            for found in self.client.find(kind, selector=transformers):
                # what belongs to it in turn goes with it
                if belongs_to(parent, found):
                    self._delete_one(kind, found)

    def _delete_one(self, kind: Kind, found: Manifest) -> None:
        if not found["metadata"].get("deletionTimestamp"):
            self.client.delete(kind, found["metadata"]["name"], uid=found["metadata"]["uid"])

    @property
    def _surroundings(self) -> Surroundings:
        return Surroundings(self.shape, self.place, self.client)

    def _parent(self, deployment: str) -> Manifest | None:
        return self.client.get(self.shape.kinds[0], object_name(deployment))

    def _is_ours(self, found: Manifest, deployment: str) -> bool:
        return is_ours(found, deployment, self.shape.tool, self.place.origin)

    def _sight(self, deployment: str, reader: Reader | None = None) -> Sight | None:
        """What there is of the deployment; None where nothing is left of it."""
        reader = reader or self.client
        parent = reader.get(self.shape.kinds[0], object_name(deployment))
        if parent is not None and not self._is_ours(parent, deployment):
            parent = None
        pods = tuple(reader.find(POD, selector=selector(deployment, self.shape.tool)))
        if parent is None and not pods:
            return None
        wish = Wish(None, running=False, least=0, revision=None) if parent is None else self.shape.read(parent)
        if parent is not None and parent["metadata"].get("deletionTimestamp"):
            held = ", ".join(parent["metadata"].get("finalizers") or ("its children go first",))
            wish = replace(wish, running=False, held=held)
        predictor = self._sight_of(Component.PREDICTOR, deployment, parent, wish, pods, reader)
        transformers = None if parent is None else self.shape.transformers(parent)
        there = any(_component_of(pod) is Component.TRANSFORMER for pod in pods)
        # pods of one that the applied revision has not any more end beside it, and nobody waits for them
        if transformers is None and (wish.running or not there):
            return predictor
        wish = replace(wish, least=transformers or 0)
        transformer = self._sight_of(Component.TRANSFORMER, deployment, parent, wish, pods, reader)
        return replace(predictor, transformer=transformer, endpoint=transformer.endpoint)

    def _sight_of(
        self,
        component: Component,
        deployment: str,
        parent: Manifest | None,
        wish: Wish,
        pods: Sequence[Manifest],
        reader: Reader,
    ) -> Sight:
        runs = wish.running and wish.applied is not None
        router = None if parent is None else self.shape.routes(parent)
        name = self.shape.workload(deployment, component)
        url = (parent or {}).get("status", {}).get("url")
        own = tuple(pod for pod in pods if _component_of(pod) is component)
        return Sight(
            applied=wish.applied,
            running=wish.running,
            container=self.shape.container,
            workload=None if router else self._workload(name, parent, reader),
            least=wish.least,
            pods=own,
            now=time.time(),
            facts=self._facts_of(own),
            held=wish.held,
            route=self._route(router, name, deployment, wish.applied, reader) if router else None,
            refused=wish.refused,
            url=url,
            endpoint=users_url(self.place, self.shape.service(deployment, component), url) if runs else None,
        )

    def _workload(self, name: str, parent: Manifest | None, reader: Reader) -> Manifest | None:
        if parent is None or self.shape.kinds[0] is DEPLOYMENT:
            return parent
        return reader.get(DEPLOYMENT, name)

    def _route(self, router: Router, name: str, deployment: str, applied: int | None, reader: Reader) -> Route:
        parts = reader.find(router.part, selector=selector(deployment, self.shape.tool))
        return router.read(reader.get(router.service, name), parts, applied)

    def _facts_of(self, pods: tuple[Manifest, ...]) -> dict[str, PodFacts]:
        """What else must be looked up to tell what a pod is doing; nothing for one that is well."""
        ending = any(pod["metadata"].get("deletionTimestamp") for pod in pods)
        facts = {}
        for pod in pods:
            name = pod["metadata"]["name"]
            if is_unschedulable(pod):
                facts[name] = PodFacts(
                    self._events_of(name), room_is_coming=ending, patience_s=self.place.node_patience_s
                )
            elif is_running_unready(pod, self.shape.container) and self._says_ready(name):
                facts[name] = PodFacts(self._events_of(name), says_ready=True)
        return facts

    def _events_of(self, pod: str) -> tuple[Manifest, ...]:
        return tuple(self.client.find(EVENT, fields=f"involvedObject.name={pod}"))

    def _says_ready(self, pod: str) -> bool:
        """Whether it listens for longer than a probe takes to find out."""
        lines = self.client.logs(pod, self.shape.container, tail=3) or []
        return any(_SAYS_READY.search(line) for line in lines) and _is_older_than(lines, 5)

    def _with_log(self, verdict: Verdict, sight: Sight) -> Verdict:
        """The verdict with the last lines of the container that it is about, unless it has a traceback already."""
        shown = view_all_pods(sight)
        views = [view for view in shown if view.verdict is not None and view.verdict.cause is verdict.cause]
        if not views or verdict.file is not None:
            return verdict
        lines: tuple[str, ...] = ()
        with contextlib.suppress(MoorageError):
            lines = self._log_of(views[0].name, views[0].container, _EVIDENCE_LINES)
        return replace(verdict, evidence=(*verdict.evidence, *lines))

    def _log_of(self, pod: str, container: str, tail: int) -> tuple[str, ...]:
        """The log of the container's life that ended last, where it waits for the next one."""
        lines = self.client.logs(pod, container, tail=tail)
        if not lines:
            lines = self.client.logs(pod, container, tail=tail, previous=True)
        return tuple(lines or ())

    def _pods(self, deployment: str) -> list[Manifest]:
        return self.client.find(POD, selector=selector(deployment, self.shape.tool))


def _component_of(pod: Manifest) -> Component:
    """Only a transformer's pods say what they are."""
    return Component((pod["metadata"].get("labels") or {}).get(COMPONENT, Component.PREDICTOR))


def _entry(sight: Sight) -> Component:
    """What users ask."""
    return Component.PREDICTOR if sight.transformer is None else Component.TRANSFORMER


def _is_older_than(lines: list[str], seconds: float) -> bool:
    """Whether the last of these log lines was written so long ago; lines without a time are as old as can be."""
    try:
        written = time.mktime(time.strptime(lines[-1][:19], "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        return True
    return time.time() - written > seconds
