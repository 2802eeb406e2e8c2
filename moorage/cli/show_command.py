"""`moorage deployment show`: what runs, as the YAML file that declares it."""

from __future__ import annotations

from typing import Annotated

import typer

from moorage import lifecycle
from moorage.cli.create_command import as_yaml
from moorage.cli.terminal import Json, Project, console, print_json, site_of
from moorage.deployment import Revision, specified
from moorage.errors import NotFound
from moorage.lifecycle import DeploymentView
from moorage.site import Site


def show(
    name: Annotated[str, typer.Argument(help="The deployment's name.")],
    revision: Annotated[
        int | None, typer.Option(min=1, help="By default the one that answers, else the one that should.")
    ] = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """What a deployment is, as YAML that declares just that; with its files, and where it is asked."""
    site = site_of(project)
    view = lifecycle.view(site, name)
    found = _revision(site, view, revision)
    declared = specified(found).model_dump(mode="json", exclude_defaults=True)
    if as_json:
        print_json({"revision": found.number, "state": view.seen.state.value, "specification": declared})
        return
    for line in (*_told(site, view, found), as_yaml(declared).rstrip("\n")):
        # what is copied from here is to be read again
        console.print(line, markup=False, soft_wrap=True)


def _revision(site: Site, view: DeploymentView, number: int | None) -> Revision:
    if number is None:
        shown = lifecycle.revision_of(site, view)
    else:
        tried = (entry.state.candidate or entry.state.live for entry in lifecycle.history(site, view.name))
        shown = next((each for each in tried if each is not None and each.number == number), None)
    if shown is None:
        wanted = "revision" if number is None else f"revision {number}"
        raise NotFound(
            f"Deployment {view.name!r} has no {wanted}.",
            "",
            f"See `moorage deployment history {view.name} --deploys`.",
        )
    return shown


def _told(site: Site, view: DeploymentView, shown: Revision) -> list[str]:
    """Comments of the YAML."""
    serves = "answers" if view.seen.serving == shown.number else "does not answer"
    lines = [f"# {view.name}: {view.seen.state.value} ({view.seen.stage}); revision {shown.number} {serves}"]
    if view.seen.endpoint and view.seen.serving == shown.number:
        lines.append(f"# ask it: {view.asked_at}")
    if shown.log_topic is not None:
        lines.append(f"# logs what it is asked and answers to topic {shown.log_topic.name}")
    model, number = shown.model, shown.artifact.version
    if number:
        artifact = site.registry.get_artifact_version(model.name, model.version, number)
        lines.append(f"# artifact version {number}: {', '.join(file.path for file in artifact.files)}")
    return lines
