"""A serving tool that does what its script says: for the rollout's decisions, where real processes add nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from moorage.abilities import Abilities
from moorage.components import Component
from moorage.deployment import Revision, State
from moorage.errors import BackendUnavailable
from moorage.ledger import Ledger
from moorage.predictor import ModelServer, ModelSource, ServingTool
from moorage.registry.artifact_files import ArtifactFiles
from moorage.serving.base import Address, Backend, Observation, Plan
from moorage.serving.verdict import Verdict
from moorage.settings import Settings
from moorage.site import Site
from moorage.startup import Cause


@dataclass
class ScriptedBackend:
    """Revisions are ready the moment they are applied, unless `broken` or `starting` says otherwise.

    What is in `meanwhile` is done by somebody else, one thing before each look.
    """

    tool: ClassVar[ServingTool] = ServingTool.LOCAL
    abilities: ClassVar[Abilities] = Abilities(model_servers=frozenset({ModelServer.PYTHON}))

    broken: set[int] = field(default_factory=set)
    starting: set[int] = field(default_factory=set)
    obstacles: tuple[Verdict, ...] = ()
    unavailable_looks: int = 0
    unavailable_applies: int = 0
    unsupervised: bool = False
    stops_at_once: bool = True
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    applied: list[int] = field(default_factory=list)
    serving: int | None = None
    stopped: bool = False

    def plan(self, revision: Revision) -> Plan:
        return Plan((f"start revision {revision.number}",), self.obstacles)

    def apply(self, revision: Revision) -> None:
        if self.unavailable_applies:
            self.unavailable_applies -= 1
            raise BackendUnavailable("It blinked.")
        self.applied.append(revision.number)
        self.stopped = False
        if revision.number not in self.broken | self.starting:
            self.serving = revision.number

    def observe(self, deployment: str) -> Observation:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if self.unavailable_looks:
            self.unavailable_looks -= 1
            raise BackendUnavailable("It blinked.")
        if not self.applied:
            return Observation(State.CREATED)
        last = self.applied[-1]
        if self.stopped:
            return Observation(State.STOPPED if self.stops_at_once else State.STOPPING, last)
        if self.unsupervised:
            return Observation(State.FAILED, last, verdict=Verdict(Cause.SUPERVISOR_GONE, "it is gone"))
        verdict = Verdict(Cause.SCRIPT_ERROR, "it raised") if last in self.broken else None
        state = State.RUNNING if self.serving else State.STARTING
        return Observation(state, last, self.serving, "looking", verdict, "http://127.0.0.1:1")

    def endpoint(self, deployment: str) -> str | None:
        return self.observe(deployment).endpoint

    @contextmanager
    def reach(self, deployment: str) -> Iterator[Address | None]:
        url = self.endpoint(deployment)
        yield None if url is None else Address(url)

    def logs(
        self,
        deployment: str,
        *,
        revision: int | None = None,
        component: Component = Component.PREDICTOR,
        tail: int = 100,
    ) -> tuple[str, ...]:
        return (f"a line of revision {revision}",)

    def stop(self, deployment: str) -> None:
        self.stopped, self.serving = True, None

    def delete(self, deployment: str) -> None:
        self.applied.clear()


@dataclass
class SharingBackend(ScriptedBackend):
    """One that can give a new revision a share of the requests; `told` is what it was asked to do, in order."""

    share: int | None = None
    told: list[str] = field(default_factory=list)

    def apply(self, revision: Revision) -> None:
        self.told.append(f"apply {revision.number}")
        # as KServe's: while requests are shared, whatever comes next gets none at first
        self.share = 0 if self.share is not None and self.applied[-1] != revision.number else None
        super().apply(revision)

    def apply_share(self, revision: Revision, percent: int) -> None:
        self.told.append(f"give {revision.number} {percent} %")
        self.share = percent
        self.applied.append(revision.number)

    def give_all(self, revision: Revision) -> None:
        self.told.append(f"give {revision.number} all")
        self.share, self.serving = None, revision.number

    def observe(self, deployment: str) -> Observation:
        seen = super().observe(deployment)
        if self.share is None or seen.applied in self.starting | self.broken:
            return seen
        return replace(seen, canary=seen.applied)

    def reach_newest(self, deployment: str) -> AbstractContextManager[Address | None]:
        return self.reach(deployment)


@dataclass(frozen=True)
class ScriptedSite(Site):
    """A site whose serving tool is scripted; store and ledger are real."""

    scripted: ScriptedBackend = field(default_factory=ScriptedBackend)

    def backend(self, tool: ServingTool) -> Backend:
        return self.scripted

    def ledger(self, deployment: str) -> Ledger:
        return Ledger(self.store, self.settings.project, deployment, actor=self.actor)


def scripted_site(
    home: Path, *, versions: int = 1, model: str = "iris_classifier", scripted: ScriptedBackend | None = None
) -> ScriptedSite:
    """A site whose registry has what `a_revision` runs: so many versions of the model, each with artifact version 1."""
    site = ScriptedSite(Settings(home=home), "ada@lovelace", scripted=scripted or ScriptedBackend())
    publish(site, home, versions=versions, model=model)
    return site


def publish(site: Site, folder: Path, *, versions: int, model: str) -> None:
    """Publishes so many versions of a model, each with artifact version 1."""
    weights, script = folder / "weights", folder / "predictor.py"
    script.write_text("#")
    for number in range(versions):
        weights.write_text(f"{model} {number}")
        published = site.registry.publish(model, ModelSource(path=str(weights))).model
        site.registry.build_artifact_version(published, ArtifactFiles(script))
