"""What deploying declared specifications would do: each compared with what is live, by few reads, changing nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from moorage import preparation
from moorage.deployment import DeploymentSpec, Revision
from moorage.difference import changed_fields
from moorage.errors import CallerError, IntegrityError, MoorageError
from moorage.ledger import LedgerState, states_of
from moorage.predictor import ServingTool
from moorage.project_files import files_here
from moorage.registry.artifact_files import digest_of_given
from moorage.registry.artifacts import ArtifactVersion, Found
from moorage.registry.overview import Overview
from moorage.registry.record import FileEntry, ModelVersion
from moorage.serving.base import Observation, ObservesMany, Plan
from moorage.serving.verdict import Verdict
from moorage.site import Site

# Not of what a revision is, or told in other words.
_TOLD_OTHERWISE: Final = {"number", "rollout", "smoke_timeout_s", "artifact"}
_AT_ONCE: Final = 8


class Action(StrEnum):
    """What deploying would come to."""

    NOTHING = "NOTHING"
    CREATE = "CREATE"
    CHANGE = "CHANGE"
    MEND = "MEND"
    RESUME = "RESUME"
    LEAVE_STOPPED = "LEAVE_STOPPED"
    LEAVE_QUARANTINED = "LEAVE_QUARANTINED"
    REFUSE = "REFUSE"


_DEPLOYED: Final = frozenset({Action.CREATE, Action.CHANGE, Action.MEND, Action.RESUME})


@dataclass(frozen=True)
class Planned:
    """What deploying one specification would do.

    Attributes:
        action: MEND: it is live but does not answer as it should; RESUME: just this is in flight; LEAVE_STOPPED:
            somebody stopped it; LEAVE_QUARANTINED: just this failed before; REFUSE: it cannot be deployed.
        reason: why, for all but NOTHING, CREATE and CHANGE.
        error: why it cannot be deployed, for REFUSE.
        changes: a line for each option that would change: `model.version: 3 → 4`.
        uploads: artifact files that the store has not yet.
        live: number of the revision that is live now; None where none is.
    """

    deployment: str
    action: Action
    reason: str = ""
    error: MoorageError | None = None
    changes: tuple[str, ...] = ()
    uploads: tuple[FileEntry, ...] = ()
    live: int | None = None

    @property
    def is_deployed(self) -> bool:
        """Whether a deploy would propose or apply something."""
        return self.action in _DEPLOYED

    def is_deployed_by(self, *, retry_quarantined: bool) -> bool:
        """The same for a deploy that tries again what failed before."""
        return self.is_deployed or (retry_quarantined and self.action is Action.LEAVE_QUARANTINED)


def plan_all(site: Site, specs: Sequence[DeploymentSpec]) -> list[Planned]:
    """What deploying each of these would do, in their order.

    Of what is unchanged, one ledger entry, one entry of its model's references and its artifact files on this machine
    are read, and all of it is observed at once; only what differs is looked into.

    Args:
        specs: no two of one name.

    Raises:
        PlatformError: store or serving tool do not answer.
    """
    states = states_of(site.store, site.settings.project, [spec.name for spec in specs])
    overviews = site.registry.overviews(sorted({spec.model.name for spec in specs}))
    seen = _observed(site, states)

    def plan(spec: DeploymentSpec) -> Planned:
        state = states[spec.name]
        if isinstance(state, IntegrityError):
            return Planned(spec.name, Action.REFUSE, str(state), state)
        with files_here(site.store, spec) as here:
            return _plan(site, here, state, overviews.get(spec.model.name), seen.get(spec.name))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(plan, specs))


@dataclass(frozen=True)
class Detailed:
    """What deploying one specification would do, down to the serving tool's objects.

    Attributes:
        objects: what would change about them, and what stands in the way; empty where nothing would be deployed.
        before, after: what is live, and the revision that would take its place; None where there is none.
    """

    planned: Planned
    objects: Plan = field(default_factory=lambda: Plan(()))
    before: Revision | None = None
    after: Revision | None = None


def plan_in_detail(site: Site, spec: DeploymentSpec) -> Detailed:
    """What would be uploaded, and beside it what would be applied, by a dry run on the cluster; changes nothing.

    Raises:
        PlatformError: store or serving tool do not answer.
    """
    with files_here(site.store, spec) as here:
        (planned,) = plan_all(site, [here])
        if not planned.is_deployed:
            return Detailed(planned)
        _, draft = _resolve(site, here)
    state = site.ledger(spec.name).state()
    revision = draft.model_copy(update={"number": state.last_number + 1})
    return Detailed(planned, site.backend(spec.serving_tool).plan(revision), state.live, revision)


def _observed(site: Site, states: Mapping[str, LedgerState | IntegrityError]) -> dict[str, Observation]:
    """How what is live stands, by name."""
    by_tool: defaultdict[ServingTool, list[str]] = defaultdict(list)
    for name, state in states.items():
        if isinstance(state, LedgerState) and state.live is not None:
            by_tool[state.live.serving_tool].append(name)
    found: dict[str, Observation] = {}
    for tool, names in by_tool.items():
        backend = site.backend(tool)
        if isinstance(backend, ObservesMany):
            found |= backend.observe_all(names)
        else:
            found |= {name: backend.observe(name) for name in names}
    return found


def _plan(
    site: Site, spec: DeploymentSpec, state: LedgerState, overview: Overview | None, seen: Observation | None
) -> Planned:
    live = state.live
    number = live.number if live else None
    if state.stopped:
        return Planned(spec.name, Action.LEAVE_STOPPED, _STOPPED.format(spec.name), live=number)
    try:
        if live is not None and state.candidate is None and _is_same(site, spec, live, overview):
            return _as_seen(live, seen)
        return _look_closer(site, spec, state)
    except CallerError as problem:
        return Planned(spec.name, Action.REFUSE, str(problem), problem, live=number)


_STOPPED: Final = "somebody stopped it; `moorage deployment start {}` brings it back"


def _is_same(site: Site, spec: DeploymentSpec, live: Revision, overview: Overview | None) -> bool:
    """Whether the specification would come to just what is live; told without asking what is known of that already."""
    if spec.model.name != live.model.name or overview is None:
        return False
    if not overview.is_still(spec.model.version, live.model.version):
        return False
    if spec.artifact_version not in (None, live.artifact.version):
        return False
    given = digest_of_given(preparation.artifact_files(spec), threads=1)
    by_number = not given and spec.artifact_version is not None
    if not by_number and given != live.artifact.digest:
        return False
    requests = spec.smoke_test.requests
    if not requests:
        requests = preparation.smoke_requests(spec, site.registry.get(live.model.name, live.model.version))
    return preparation.draft_of(site, spec, live.model, live.artifact, requests).digest == live.digest


def _as_seen(live: Revision, seen: Observation | None) -> Planned:
    if seen is not None and seen.serves(live.number):
        return Planned(live.deployment, Action.NOTHING, live=live.number)
    why = "nothing is known of it" if seen is None else str(seen.verdict or seen.stage)
    return Planned(live.deployment, Action.MEND, f"it does not answer: {why}", live=live.number)


def _look_closer(site: Site, spec: DeploymentSpec, state: LedgerState) -> Planned:
    """By all that a deploy itself would read."""
    preparation.check(site, spec)
    found, draft = _resolve(site, spec)
    artifact = found.artifact
    new_files = () if artifact else found.files
    live, candidate = state.live, state.candidate
    number = live.number if live else None
    if artifact is not None and candidate is not None and candidate.digest == draft.digest:
        return Planned(spec.name, Action.RESUME, f"revision {candidate.number} is in flight", live=number)
    failed = state.quarantine.get(draft.digest)
    if artifact is not None and failed is not None:
        reason = f"revision {failed.revision} was just this, and failed: {Verdict.from_dict(failed.verdict)}"
        return Planned(spec.name, Action.LEAVE_QUARANTINED, reason, live=number)
    if live is None:
        return Planned(spec.name, Action.CREATE, uploads=new_files)
    changes = (*_changed_options(live, draft), *_changed_files(live, found))
    return Planned(spec.name, Action.CHANGE, changes=changes, uploads=new_files, live=number)


def _resolve(site: Site, spec: DeploymentSpec) -> tuple[Found, Revision]:
    """Its artifact files, and the revision; one without an artifact version where that is yet to be built."""
    model = site.registry.get(spec.model.name, spec.model.version)
    found = _artifact(site, spec, model)
    artifact = found.artifact or ArtifactVersion(model.name, model.version, 0)
    return found, preparation.draft_revision(site, spec, model, artifact)


def _artifact(site: Site, spec: DeploymentSpec, model: ModelVersion) -> Found:
    """The artifact version that there is, by its number where no files are given; or the files of one to be built."""
    found = site.registry.find_artifact_version(model, preparation.artifact_files(spec))
    if not spec.artifact_version or found.files:
        return found
    artifact = site.registry.get_artifact_version(model.name, model.version, spec.artifact_version)
    return Found((), artifact.digest, artifact)


def _changed_options(live: Revision, draft: Revision) -> Iterator[str]:
    before, after = (each.model_dump(mode="json", exclude=_TOLD_OTHERWISE) for each in (live, draft))
    for path, change in changed_fields(before, after):
        if path != "model.digest":
            yield f"{path}: {change}"


def _changed_files(live: Revision, found: Found) -> Iterator[str]:
    """Nothing where only the model version is another: the same files are an artifact version of each."""
    if found.digest != live.artifact.digest:
        after = found.artifact.version if found.artifact else "a new one"
        yield f"artifact files: version {live.artifact.version} → {after}"
