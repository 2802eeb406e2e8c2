"""What comes before a rollout: check the specification, register the model, build the artifact version."""

from __future__ import annotations

import contextlib
import logging
import sys
from importlib.machinery import PathFinder
from pathlib import Path, PurePath
from typing import Any

from moorage import rules, script, server_config
from moorage.components import CREATE, NO_TOPIC
from moorage.deployment import DeploymentSpec, ResolvedArtifact, ResolvedModel, Revision, SmokeRequest, taken_over
from moorage.errors import CallerError, LogRefused, MoorageError, PlatformError, SecretMissing
from moorage.inference.dialect import dialect_of
from moorage.inference.openai import ANY_QUESTION
from moorage.names import LATEST
from moorage.predictor import Framework, ModelRef, ModelServer, ModelSource, ServingTool, environment_for
from moorage.registry.artifact_files import ArtifactFiles, find_further_files
from moorage.registry.artifacts import ArtifactVersion
from moorage.registry.record import ModelVersion
from moorage.rules.facts import Facts
from moorage.secret_files import read_secret
from moorage.serving.base import HasQueues
from moorage.serving.catalog import abilities
from moorage.site import Site
from moorage.store.progress import UNWATCHED, Progress

log = logging.getLogger(__name__)


def check(site: Site, spec: DeploymentSpec, source: ModelSource | None = None) -> None:
    """Holds the specification against every rule; reads, and changes nothing.

    Args:
        source: what training saved, when the model version is to be published first.

    Raises:
        InvalidSpec: with every violation.
    """
    rules.check(spec, gather_facts(site, spec, source))


def gather_facts(site: Site, spec: DeploymentSpec, source: ModelSource | None = None) -> Facts:
    """What the rules need to know of registry, files and serving tools."""
    framework: Framework | None = None
    model_files: tuple[str, ...] = ()
    model_problem: CallerError | None = None
    try:
        framework, model_files = _framework_and_files(site, spec.model, source)
    except CallerError as problem:
        model_problem = problem
    is_vllm = (framework and rules.model_server_of(spec, framework)) is ModelServer.VLLM
    return Facts(
        abilities=abilities(),
        framework=framework,
        model_files=model_files,
        model_problem=model_problem,
        artifact_problem=_artifact_problem(site, spec) if model_problem is None else None,
        missing_files=frozenset(
            path
            for path in (spec.script_file, spec.config_file, transformer_file(spec))
            if path is not None and not _is_readable(path)
        ),
        further_problem=_further_problem(spec),
        script_problem=_script_problem(spec.script_file, script.VLLM_PREDICTOR if is_vllm else script.PREDICTOR),
        config_problem=_config_problem(spec) if is_vllm and spec.script_file is None else None,
        transformer_problem=_script_problem(transformer_file(spec), script.TRANSFORMER),
        has_transformer=_has_transformer(site, spec),
        undelivered=_undelivered(spec),
        served_by=_served_by(site, spec),
        queues=_queues(site, spec),
        secret_problems=_secret_problems(site, spec),
        **_of_the_log(site, spec),
        store_url=site.settings.store_url,
        namespace=site.settings.namespace_name,
    )


def _served_by(site: Site, spec: DeploymentSpec) -> ModelServer | None:
    newest = site.ledger(spec.name).state().newest
    return None if newest is None else newest.model_server


def _queues(site: Site, spec: DeploymentSpec) -> tuple[str, ...]:
    if spec.queue is not None or spec.serving_tool is ServingTool.LOCAL:
        return ()
    # whoever cannot reach the cluster, or may not look, is told so where that is needed
    with contextlib.suppress(PlatformError):
        backend = site.backend(spec.serving_tool)
        return backend.queues() if isinstance(backend, HasQueues) else ()
    return ()


def _secret_problems(site: Site, spec: DeploymentSpec) -> dict[str, MoorageError]:
    problems: dict[str, MoorageError] = {}
    if spec.serving_tool is not ServingTool.LOCAL:
        return problems  # of a cluster's Secrets the kubelet tells: a deployer may not read them
    for variable in spec.env_vars:
        if variable.secret is not None:
            try:
                read_secret(site.settings.secrets_folder, variable.secret, variable.secret_key)
            except SecretMissing as problem:
                problems[variable.name] = problem
    return problems


def _of_the_log(site: Site, spec: DeploymentSpec) -> dict[str, Any]:
    """What is known of where inferences go; the broker is asked only of a topic that must be there."""
    if spec.inference_logger is None or not spec.inference_logger.logs:
        return {}
    name = spec.inference_logger.topic.name
    try:
        topics = site.topics
    except LogRefused as problem:
        return {"log_problem": problem}
    if name in (CREATE, NO_TOPIC):
        return {}
    there = topics.exists(name)
    return {"topic_is_there": there, "topic_schema": topics.schema_of(name) if there else None}


def register(
    site: Site, ref: ModelRef, source: ModelSource | None = None, *, progress: Progress = UNWATCHED
) -> ModelVersion:
    """The model version to deploy: published from `source`, or the one that `ref` names.

    Publishing the files of the newest version again gives that version, so this can be called twice.
    """
    if source is None:
        return site.registry.get(ref.name, ref.version)
    published = site.registry.publish(ref.name, source, actor=site.actor, progress=progress)
    how = "is there already" if published.reused else "registered"
    log.info("model %s version %d %s", ref.name, published.model.version, how)
    return published.model


def build_artifact_version(site: Site, spec: DeploymentSpec, model: ModelVersion) -> ArtifactVersion:
    """The artifact version of the specification's files: the one that has the same, else a new one."""
    files = artifact_files(spec)
    built = site.registry.build_artifact_version(model, files, wanted=spec.artifact_version, actor=site.actor)
    how = "is there already" if built.reused else "built"
    log.info("model %s version %d: artifact version %d %s", model.name, model.version, built.artifact.version, how)
    return built.artifact


def draft_revision(site: Site, spec: DeploymentSpec, model: ModelVersion, artifact: ArtifactVersion) -> Revision:
    """The specification, resolved to digests; the ledger numbers it when it is proposed."""
    resolved = ResolvedModel(name=model.name, version=model.version, digest=model.digest, framework=model.framework)
    files = ResolvedArtifact(
        version=artifact.version,
        digest=artifact.digest,
        script_file=artifact.script_file,
        transformer_file=artifact.transformer_file,
        config_file=artifact.config_file,
    )
    return draft_of(site, spec, resolved, files, smoke_requests(spec, model))


def draft_of(
    site: Site,
    spec: DeploymentSpec,
    model: ResolvedModel,
    artifact: ResolvedArtifact,
    smoke_requests: tuple[SmokeRequest, ...],
) -> Revision:
    """The revision of a specification whose model and artifact files are nailed down already."""
    server = rules.model_server_of(spec, model.framework)
    environment = spec.environment or environment_for(server, has_script=artifact.script_file is not None)
    return Revision(
        project=site.settings.project,
        deployment=spec.name,
        number=1,
        model=model,
        artifact=artifact,
        model_server=server,
        environment=environment,
        image="" if spec.serving_tool is ServingTool.LOCAL else site.settings.image_of(environment),
        transformer=spec.transformer and spec.transformer.model_copy(update={"script_file": None}),
        smoke_requests=smoke_requests,
        smoke_timeout_s=spec.smoke_test.timeout_s,
        **taken_over(spec),
    )


def _framework_and_files(site: Site, ref: ModelRef, source: ModelSource | None) -> tuple[Framework, tuple[str, ...]]:
    if source is None:
        model = site.registry.get(ref.name, ref.version)
        return model.framework, tuple(file.path for file in model.files)
    if ref.version != LATEST:
        raise CallerError(
            f"Version {ref.version!r} of model {ref.name!r} was asked for together with files to publish.",
            "Published files get the next free number.",
            "Leave the version out, or the files.",
        )
    return source.framework, site.registry.check_source(ref.name, source)


def _artifact_problem(site: Site, spec: DeploymentSpec) -> CallerError | None:
    """Why the artifact version asked for is not there; of a model that is yet to be published, at its newest version.

    Only unchanged files keep that version; changed ones get a new one, which has no artifact versions yet.
    """
    if not spec.artifact_version:
        return None
    try:
        model = site.registry.get(spec.model.name, spec.model.version)
        site.registry.get_artifact_version(model.name, model.version, spec.artifact_version)
    except CallerError as problem:
        return problem
    return None


def artifact_files(spec: DeploymentSpec) -> ArtifactFiles:
    """The files that the specification's artifact version is built from."""
    return ArtifactFiles(
        script_file=Path(spec.script_file) if spec.script_file else None,
        transformer_file=Path(transformer) if (transformer := transformer_file(spec)) else None,
        config_file=Path(spec.config_file) if spec.config_file else None,
        further=tuple(map(Path, spec.further_files)),
    )


def _further_problem(spec: DeploymentSpec) -> CallerError | None:
    try:
        find_further_files(artifact_files(spec))
    except CallerError as problem:
        return problem
    return None


def _is_readable(path: str) -> bool:
    try:
        if not Path(path).is_file():  # a pipe would hold us up
            return False
        with open(path, "rb"):
            return True
    except OSError:
        return False


def _module_at(path: str | None, kind: script.ScriptKind = script.PREDICTOR) -> Path | None:
    """A file that Python can run, if it is a script of that kind; a notebook is none but for a transformer."""
    return Path(path) if path is not None and path.endswith(kind.suffixes) and _is_readable(path) else None


def transformer_file(spec: DeploymentSpec) -> str | None:
    """The path of the transformer script, where one is given."""
    return None if spec.transformer is None else spec.transformer.script_file


def _config_problem(spec: DeploymentSpec) -> CallerError | None:
    """Why vLLM cannot be started with the configuration file; None where it can, or there is none."""
    path = spec.config_file
    if path is None or not path.endswith(server_config.SUFFIXES) or not _is_readable(path):
        return None
    try:
        server_config.check_config(Path(path).read_bytes(), PurePath(path).name)
    except CallerError as problem:
        return problem
    return None


def _script_problem(given: str | None, kind: script.ScriptKind) -> script.ScriptProblem | None:
    path = _module_at(given, kind)
    return None if path is None else script.check_source(path.read_bytes(), path.name, kind)


def _has_transformer(site: Site, spec: DeploymentSpec) -> bool | None:
    """Whether the artifact version asked for has a transformer script; None where none was asked for, or is there."""
    if not spec.artifact_version:
        return None
    try:
        model = site.registry.get(spec.model.name, spec.model.version)
        artifact = site.registry.get_artifact_version(model.name, model.version, spec.artifact_version)
    except CallerError:
        return None
    return artifact.transformer_file is not None


def _undelivered(spec: DeploymentSpec) -> dict[str, tuple[str, ...]]:
    """By name of the script, and of each module delivered with it: what it imports from its own folder in vain."""
    given = (spec.script_file, transformer_file(spec), spec.config_file, *spec.further_files)
    delivered = {PurePath(path).name for path in given if path}
    modules = [
        _module_at(spec.script_file),
        _module_at(transformer_file(spec), script.TRANSFORMER),
        *map(_module_at, spec.further_files),
    ]
    found = {module.name: _undelivered_beside(module, delivered) for module in modules if module}
    return {file: names for file, names in found.items() if names}


def _undelivered_beside(module: Path, delivered: set[str]) -> tuple[str, ...]:
    """Packages installed here count as installed wherever it will run."""
    folder = module.parent
    beside = (
        name
        for name in script.imported_names(module.read_bytes(), module.name) - sys.stdlib_module_names
        if not delivered & {name, f"{name}.py"} and ((folder / f"{name}.py").is_file() or (folder / name).is_dir())
    )
    return tuple(sorted(name for name in beside if not _is_installed(name, folder)))


def _is_installed(name: str, folder: Path) -> bool:
    # `python -m` and notebooks put the working directory on the path: what lies there is not installed
    own = {folder.resolve(), Path.cwd()}
    return PathFinder.find_spec(name, [entry for entry in sys.path if Path(entry).resolve() not in own]) is not None


def smoke_requests(spec: DeploymentSpec, model: ModelVersion) -> tuple[SmokeRequest, ...]:
    """What a revision is asked before it is promoted: the requests given, else the model's input example."""
    if spec.smoke_test.requests:
        return spec.smoke_test.requests
    server = rules.model_server_of(spec, model.framework)
    request = _example(server, model.input_example)
    if request is not None:
        return (request,)
    if server is ModelServer.VLLM:
        return (SmokeRequest(data=dict(ANY_QUESTION)),)
    log.warning(
        "deployment %s: nothing to ask, for neither smoke_test.requests nor an input example is there; a revision "
        "is promoted as soon as it is ready",
        spec.name,
    )
    return ()


def _example(server: ModelServer, example: Any) -> SmokeRequest | None:
    """The request that a model's input example makes; None where it makes none."""
    is_body = server is ModelServer.VLLM and isinstance(example, dict)
    given = {"data": example} if is_body else {"inputs": example}
    try:
        dialect_of(server).body("", given.get("inputs"), given.get("data"))
    except CallerError:
        return None
    return SmokeRequest(**given)
