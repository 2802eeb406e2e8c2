"""`moorage model …`: register, look, name, verify, take away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from moorage import lifecycle, registration, retention
from moorage.cli import model_shown as shown
from moorage.cli.assignments import parse_aliases, parse_metrics, parse_tag_changes, parse_tags
from moorage.cli.progress import progress
from moorage.cli.terminal import Json, Project, console, errors, parse_json, print_json, read_text, site_of
from moorage.errors import CallerError
from moorage.names import LATEST
from moorage.predictor import Framework
from moorage.registry.reference_log import check_tag
from moorage.registry.references import with_deleted
from moorage.registry.registry import Registry
from moorage.registry.target import check_target
from moorage.training_values import metrics_of

model_app = typer.Typer(no_args_is_help=True, help="Registered models: publish, look, name, verify, take away.")

NEWEST_SHOWN: Final = 20
FRAMEWORKS: Final = {
    "sklearn": Framework.SKLEARN,
    "scikit-learn": Framework.SKLEARN,
    "tensorflow": Framework.TENSORFLOW,
    "tf": Framework.TENSORFLOW,
    "keras": Framework.TENSORFLOW,
    "torch": Framework.TORCH,
    "pytorch": Framework.TORCH,
    "python": Framework.PYTHON,
    "llm": Framework.LLM,
}

Name = Annotated[str, typer.Argument(help="The model's name.")]
Version = Annotated[str, typer.Argument(help="A version number, 'latest', or an alias.")]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]


@model_app.command()
def register(
    name: Name,
    path: Annotated[str, typer.Argument(help="A folder, a file, or a path in the store: Projects/….")],
    framework: Annotated[str, typer.Option(help=f"One of {', '.join(FRAMEWORKS)}.")] = "python",
    metrics: Annotated[list[str] | None, typer.Option(help="accuracy=0.97,f1=0.9")] = None,
    description: Annotated[str, typer.Option(help="What is special about it.")] = "",
    input_example: Annotated[str | None, typer.Option(help="One request's inputs: JSON, or a file of it.")] = None,
    schema: Annotated[str | None, typer.Option(help="Of inputs and outputs: JSON, or a file of it.")] = None,
    lineage: Annotated[str | None, typer.Option(help="Where it comes from: JSON, or a file of it.")] = None,
    program: Annotated[str | None, typer.Option(help="Script or notebook that trained it; a copy is kept.")] = None,
    environment: Annotated[Path | None, typer.Option(help="File that lists the packages it was trained with.")] = None,
    alias: Annotated[list[str] | None, typer.Option(help="Alias to point to it; may be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Tag as owner=ada; may be repeated.")] = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Makes what training saved a new model version; the same again is the version that is there already."""
    site = site_of(project)
    source = registration.source_of(
        path=registration.locate(site.store, path),
        framework=_framework(framework),
        metrics=metrics_of(parse_metrics(metrics or ())),
        description=description,
        input_example=_json_or_file(input_example),
        model_schema=_json_or_file(schema),
        lineage=registration.lineage_of(_json_or_file(lineage) or {}),
        program=program,
        environment="" if environment is None else read_text(environment),
    )
    with progress(f"registering {name}") as watch:
        done = registration.register(
            site, name, source, tags=parse_tags(tag or ()), aliases=alias or (), progress=watch
        )
    if as_json:
        print_json(
            shown.plain_summary(name, done.model) | {"reused": done.reused, "sent": done.sent, "copied": done.copied}
        )
        return
    how = "is there already: the same files and record" if done.reused else "registered"
    console.print(Text(f"{name} version {done.model.version} {how}\n{shown.published_text(done)}"), soft_wrap=True)


@model_app.command("list")
def list_models(
    name: Annotated[str | None, typer.Argument(help="A model, to list its versions.")] = None,
    every: Annotated[bool, typer.Option("--all", help=f"All versions, not only the newest {NEWEST_SHOWN}.")] = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Every model with its newest version; or the versions of one model, the newest first. JSON has all of them."""
    registry = site_of(project).registry
    if name is not None:
        _list_versions(registry, name, every=every, as_json=as_json)
        return
    newest = [registry.get(model) for model in registry.models()]
    if as_json:
        print_json([shown.plain_summary(model.name, model) for model in newest])
    elif newest:
        console.print(shown.models_table(newest))
    else:
        console.print("No models yet. `moorage model register NAME PATH` makes one.")


@model_app.command()
def info(name: Name, version: Version = LATEST, project: Project = None, as_json: Json = False) -> None:
    """Everything about one version: files, digest, aliases, tags, metrics, where it comes from, where it is live."""
    site = site_of(project)
    model = site.registry.get(name, version)
    deployments = lifecycle.deployments_of(site, name, model.version)
    found = shown.ModelInfo(model, site.registry.references(name).state(), deployments)
    if as_json:
        print_json(shown.plain_info(found))
        return
    console.print(Text(f"{name} version {model.version}", style="bold"))
    console.print(shown.info_grid(found))
    console.print()
    console.print(shown.files_table(model))
    if (more := len(model.files) - shown.FILES_SHOWN) > 0:
        console.print(Text(f"and {more:,} more; --json has all of them", style="dim"))


@model_app.command()
def download(
    name: Name,
    version: Version = LATEST,
    to: Annotated[Path | None, typer.Option(help="Folder to make; by default NAME-VERSION here.")] = None,
    project: Project = None,
) -> None:
    """Brings the files of one version down, each of them verified."""
    registry = site_of(project).registry
    model = registry.get(name, version)
    target = to or Path(f"{name}-{model.version}")
    check_target(model, target)
    with progress(f"downloading {name} version {model.version}") as watch:
        registry.download_model(model, target, progress=watch)
    files = shown.files_text(len(model.files), model.size)
    console.print(Text(f"{name} version {model.version}: {files}, verified, in {target}"), soft_wrap=True)


@model_app.command()
def delete(
    name: Name,
    version: Version,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    reason: Reason = "",
    project: Project = None,
) -> None:
    """Deletes one version and its files, for good; refused while an alias or a deployment points to it."""
    site = site_of(project)
    model, references = site.registry.get(name, version), site.registry.references(name)
    with_deleted(references.state(), name, model.version)  # refused before anybody is asked
    if not yes:
        files = shown.files_text(len(model.files), model.size)
        typer.confirm(f"Delete version {model.version} of model {name} for good ({files})?", abort=True)
    references.delete(model.version, actor=site.actor, reason=reason)
    console.print(Text(f"{name} version {model.version}: deleted"))


@model_app.command()
def alias(
    name: Name,
    moves: Annotated[list[str] | None, typer.Argument(help="champion=3; challenger=- takes it away.")] = None,
    reason: Reason = "",
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Points aliases to versions, all of them in one write; without any, shows those there are."""
    site = site_of(project)
    references = site.registry.references(name)
    wanted = {
        alias: None if version is None else site.registry.get(name, version).version
        for alias, version in parse_aliases(moves or ()).items()
    }
    if not wanted:
        site.registry.get(name)
    elif references.move_aliases(wanted, actor=site.actor, reason=reason) is None:
        errors.print("Nothing to do: all of it is so already.")
    aliases = references.state().aliases
    if as_json:
        print_json(aliases)
        return
    for line in [f"{alias}={version}" for alias, version in sorted(aliases.items())] or ["No aliases yet."]:
        console.print(Text(line))


@model_app.command()
def tag(
    name: Name,
    version: Version,
    tags: Annotated[
        list[str] | None, typer.Argument(help="owner=ada; owner=- takes it off. Values may be JSON.")
    ] = None,
    reason: Reason = "",
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Tags one version; without any, shows the tags it has."""
    site = site_of(project)
    model, references = site.registry.get(name, version), site.registry.references(name)
    wanted, away = parse_tag_changes(tags or ())
    for key, value in wanted.items():
        check_tag(key, value)
    for key, value in wanted.items():
        references.set_tag(model.version, key, value, actor=site.actor, reason=reason)
    for key in away:
        references.delete_tag(model.version, key, actor=site.actor, reason=reason)
    there = references.state().tags.get(model.version, {})
    if as_json:
        print_json(there)
        return
    for line in shown.tag_lines(there) or ["No tags yet."]:
        console.print(Text(line), soft_wrap=True)


@model_app.command()
def history(name: Name, project: Project = None, as_json: Json = False) -> None:
    """What was done to aliases, pins, tags and versions: when, what, by whom, why; also after all were deleted."""
    registry = site_of(project).registry
    entries = registry.references(name).history()
    if not entries:
        registry.get(name)
    if as_json:
        print_json([shown.plain_entry(entry) for entry in entries])
    elif entries:
        console.print(shown.history_table(entries))
    else:
        console.print(Text(f"Nothing was done to the versions of {name} yet but to register them."))


@model_app.command()
def verify(name: Name, version: Version = LATEST, project: Project = None, as_json: Json = False) -> None:
    """Reads every byte of one version again and compares it with what was published."""
    with progress(f"verifying {name}") as watch:
        model = site_of(project).registry.verify(name, version, progress=watch)
    if as_json:
        print_json(shown.plain_summary(name, model) | {"files": len(model.files), "verified": True})
        return
    files = shown.files_text(len(model.files), model.size)
    console.print(Text(f"{name} version {model.version}: {files}, as published\n{model.digest}"), soft_wrap=True)


@model_app.command()
def gc(
    name: Annotated[str | None, typer.Argument(help="A model; by default all of the project.")] = None,
    keep: Annotated[int | None, typer.Option(min=1, help="Delete what is older than the newest N versions.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would be freed.")] = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Frees what dead publishers and deleted versions left; never what is aliased, pinned or was ever proven."""
    with progress("collecting garbage"):
        tidied = retention.collect_garbage(site_of(project), name, keep=keep, dry_run=dry_run)
    if as_json:
        print_json(shown.plain_collected(tidied.collected))
    else:
        shown.show_freed(console, tidied)


def _list_versions(registry: Registry, name: str, *, every: bool, as_json: bool) -> None:
    versions = registry.versions(name)
    if as_json:
        print_json([shown.plain_summary(name, version) for version in versions])
        return
    some = versions if every else versions[:NEWEST_SHOWN]
    console.print(shown.versions_table(some, registry.references(name).state()))
    if len(some) < len(versions):
        console.print(Text(f"{len(some)} of {len(versions):,} versions; --all shows all of them", style="dim"))


def _framework(text: str) -> Framework:
    framework = FRAMEWORKS.get(text.lower())
    if framework is None:
        known = ", ".join(FRAMEWORKS)
        raise CallerError(f"Framework {text!r} is not known.", f"Known are: {known}.", "Use python for any other.")
    return framework


def _json_or_file(text: str | None) -> Any:
    if text is None:
        return None
    return parse_json(text if text.lstrip().startswith(("[", "{")) else read_text(Path(text)))
