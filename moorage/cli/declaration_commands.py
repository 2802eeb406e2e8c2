"""`moorage deployment plan|diff|apply|schema`: what YAML files declare, compared with what is live, and deployed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml
from rich.text import Text

from moorage.cli.terminal import Json, Project, console, errors, print_json, site_of
from moorage.declarations import Declared, declared_at
from moorage.deploying import Deployed, deploy
from moorage.deployment import DeploymentSpec, Revision
from moorage.deployment_schema import yaml_schema
from moorage.errors import CallerError, MoorageError, SomeFailed
from moorage.planning import Action, Detailed, plan_all, plan_in_detail
from moorage.report import size_in_words
from moorage.rollout import Restored
from moorage.site import Site

Declaration = Annotated[
    str, typer.Option("--file", "-f", help="A YAML file, a folder of them, or a folder in the store: Projects/….")
]

CHANGES: Final = 2
_WORDS: Final = {
    Action.NOTHING: ("unchanged", "dim"),
    Action.CREATE: ("would be created", "green"),
    Action.CHANGE: ("would change", "yellow"),
    Action.MEND: ("would be applied again", "yellow"),
    Action.RESUME: ("would be gone on with", "yellow"),
    Action.LEAVE_STOPPED: ("is stopped", "dim"),
    Action.LEAVE_QUARANTINED: ("is quarantined", "red"),
    Action.REFUSE: ("is refused", "red"),
}


def plan(file: Declaration, project: Project = None, as_json: Json = False) -> None:
    """What deploying would do, to files and objects; changes nothing. Ends with 0: nothing to do, 2: changes."""
    site = site_of(project)
    with _declared(file, site) as found:
        detailed = [plan_in_detail(site, spec) for spec in found]
    if as_json:
        print_json([_plain(each) for each in detailed])
    else:
        for each in detailed:
            _show(each)
    _end(detailed)


def diff(file: Declaration, project: Project = None) -> None:
    """What is live and what is declared, line by line; ends as `plan` does."""
    site = site_of(project)
    with _declared(file, site) as found:
        detailed = [plan_in_detail(site, spec) for spec in found]
    for each in detailed:
        for line in _unified(each):
            console.print(Text(line, style={"+": "green", "-": "red", "@": "cyan"}.get(line[0], "")), soft_wrap=True)
    _end(detailed)


def apply(
    file: Declaration,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    retry_quarantined: Annotated[
        bool, typer.Option("--retry-quarantined", help="Try again what failed before, though nothing changed.")
    ] = False,
    project: Project = None,
) -> None:
    """Deploys what is declared and differs from what is live, one after the other; each is proven, or taken back.

    A file that is named is deployed also when somebody stopped the deployment; in a folder, what was stopped stays so.
    """
    site = site_of(project)
    failed: list[str] = []
    with _declared(file, site) as found:
        is_folder = len(found) > 1 or not Path(file).is_file()
        for spec in found:
            try:
                _apply(site, spec, reason, retry_quarantined=retry_quarantined, is_folder=is_folder)
            except MoorageError as error:
                failed.append(spec.name)
                errors.print(Text.assemble((f"{spec.name}: ", "bold red"), str(error)), soft_wrap=True)
    if failed:
        raise SomeFailed(f"{len(failed)} of {len(found)} failed: {', '.join(failed)}.")


def schema(
    output: Annotated[Path | None, typer.Option(help="File to write it to; by default it is printed.")] = None,
) -> None:
    """The JSON Schema of the YAML, by which editors complete and check it: `# yaml-language-server: $schema=FILE`."""
    text = json.dumps(yaml_schema(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        console.out(text, end="", highlight=False)
    else:
        output.write_text(text, encoding="utf-8")


@contextmanager
def _declared(place: str, site: Site) -> Iterator[list[DeploymentSpec]]:
    """What is declared there; raises CallerError with every problem, before anything is done."""
    with declared_at(place, site.store) as found:
        problems = [_problem(each) for each in found if each.spec is None]
        if problems:
            raise CallerError("\n".join(problems), mend="Nothing was done.")
        yield [each.spec for each in found if each.spec is not None]


def _problem(each: Declared) -> str:
    return each.problem if each.path.name in each.problem else f"{each.path.name}: {each.problem}"


def _apply(site: Site, spec: DeploymentSpec, reason: str, *, retry_quarantined: bool, is_folder: bool) -> None:
    (planned,) = plan_all(site, [spec])
    if planned.error is not None:
        raise planned.error
    if is_folder and planned.action is Action.LEAVE_STOPPED:
        console.print(Text(f"{spec.name}: {planned.reason}"), soft_wrap=True)
        return
    deploy_and_tell(site, spec, reason=reason, retry_quarantined=retry_quarantined)


def deploy_and_tell(site: Site, spec: DeploymentSpec, *, reason: str = "", retry_quarantined: bool = False) -> None:
    """Deploys, shows meanwhile what is done, and prints what came of it; raises what `deploy` does."""
    restored: list[Restored] = []
    try:
        with errors.status(Text(spec.name)) as shown:
            done = deploy(
                site,
                spec,
                reason=reason,
                retry_quarantined=retry_quarantined,
                on_stage=lambda stage: shown.update(Text(f"{spec.name}: {stage}")),
                on_restored=restored.append,
            )
    except MoorageError:
        for each in restored:
            serves = "nothing serves" if each.revision is None else f"revision {each.revision} serves on"
            errors.print(Text(f"{spec.name}: taken back, {serves}"), soft_wrap=True)
        raise
    console.print(Text(_sentence(done)), soft_wrap=True)


def _sentence(done: Deployed) -> str:
    name, number = done.revision.deployment, done.revision.number
    if done.is_unchanged:
        return f"{name}: nothing to do, revision {number} answers at {done.endpoint}"
    return f"{name}: revision {number} is live at {done.endpoint}"


def _show(detailed: Detailed) -> None:
    planned = detailed.planned
    words, style = _WORDS[planned.action]
    is_or_was = "was" if planned.action is Action.LEAVE_STOPPED else "is"
    live = f" (revision {planned.live} {is_or_was} live)" if planned.live else ""
    console.print(Text.assemble((planned.deployment, "bold"), " ", (words, style), live), soft_wrap=True)
    lines = [planned.reason] if planned.reason else []
    lines += planned.changes
    lines += [f"upload {each.path}, {size_in_words(each.size)}" for each in planned.uploads]
    lines += detailed.objects.changes
    lines += [f"stands in the way: {obstacle}" for obstacle in detailed.objects.obstacles]
    for line in lines:
        console.print(Text(f"  {line}"), soft_wrap=True)


def _plain(detailed: Detailed) -> dict[str, Any]:
    planned = detailed.planned
    return {
        "deployment": planned.deployment,
        "action": planned.action,
        "reason": planned.reason,
        "live": planned.live,
        "changes": list(planned.changes),
        "uploads": [{"path": each.path, "size": each.size} for each in planned.uploads],
        "objects": list(detailed.objects.changes),
        "obstacles": [obstacle.to_dict() for obstacle in detailed.objects.obstacles],
    }


def _unified(detailed: Detailed) -> Iterator[str]:
    planned = detailed.planned
    if planned.reason and not planned.is_deployed:
        yield f"{planned.deployment}: {planned.reason}"
    elif detailed.after is not None:
        names = (f"{planned.deployment}, live" if detailed.before else "nothing", f"{planned.deployment}, declared")
        uploads = [f"{each.path}, {size_in_words(each.size)}" for each in planned.uploads]
        before, after = _lines(detailed.before), _lines(detailed.after, uploads)
        yield from difflib.unified_diff(before, after, *names, lineterm="")


def _lines(revision: Revision | None, uploads: Sequence[str] = ()) -> list[str]:
    """The revision as YAML, without what makes no other one; in the artifact's place what is yet to be uploaded."""
    if revision is None:
        return []
    plain = revision.model_dump(mode="json", exclude={"number", "rollout", "smoke_timeout_s"}, exclude_defaults=True)
    if uploads:
        plain["artifact"] = {"version": "a new one", "files": list(uploads)}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).splitlines()


def _end(detailed: list[Detailed]) -> None:
    if any(each.planned.action is Action.REFUSE or each.objects.obstacles for each in detailed):
        raise typer.Exit(1)
    if any(each.planned.is_deployed for each in detailed):
        raise typer.Exit(CHANGES)
