"""`moorage deployment …`: look, ask, start, stop."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moorage import lifecycle
from moorage.cli.deploys_shown import show_deploys
from moorage.cli.terminal import Json, Project, console, errors, parse_json, print_json, read_text, site_of
from moorage.components import Component
from moorage.deployment import State
from moorage.deploys import deploys_of
from moorage.errors import CallerError
from moorage.following import announce_again
from moorage.ledger import Failure, LedgerEntry
from moorage.lifecycle import DeploymentView
from moorage.serving.verdict import Verdict

deployment_app = typer.Typer(no_args_is_help=True, help="Model deployments: plan, apply, look, ask, start, stop.")

Name = Annotated[str, typer.Argument(help="The deployment's name.")]

_FIRST = "`moorage deployment apply -f FILE` makes one."
_STATE_STYLES = {"Running": "green", "Failed": "red", "unreadable": "red", "Stopped": "dim", "Created": "dim"}


@deployment_app.command("list")
def list_deployments(
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those in this state: running, failed, stopped, …")] = None,
    name: Annotated[str | None, typer.Option(help="Only those with this in their name.")] = None,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Every deployment of the project: state, revision, model, endpoint."""
    wanted = None if status is None else State.read(status)
    views = [
        view
        for view in lifecycle.deployments(site_of(project))
        if (name is None or name.casefold() in view.name.casefold())
        and (model is None or (view.revision is not None and view.revision.model.name == model))
        and (wanted is None or (view.seen.state is wanted and not view.unreadable))
    ]
    is_filtered = not (model is None and status is None and name is None)
    if as_json:
        print_json([_plain(view) for view in views])
        return
    if not views:
        none = "No such deployments." if is_filtered else f"No deployments yet. {_FIRST}"
        console.print(none)
        return
    table = Table("NAME", "STATE", "REVISION", "MODEL", "ENDPOINT", box=None, pad_edge=False)
    for view in views:
        plain = _plain(view)
        state = Text(plain["state"], style=_STATE_STYLES.get(plain["state"], "yellow"))
        table.add_row(view.name, state, str(plain["serving"] or "-"), plain["model"] or "-", plain["endpoint"] or "-")
    console.print(table)


@deployment_app.command()
def status(name: Name, project: Project = None, as_json: Json = False) -> None:
    """How one deployment stands, what is wrong with it, and how to ask it."""
    view = lifecycle.view(site_of(project), name)
    if as_json:
        print_json(_plain(view))
        return
    plain = _plain(view)
    grid = Table.grid(padding=(0, 2))
    state = Text(f"{plain['state']} ({view.seen.stage})", style=_STATE_STYLES.get(plain["state"], "yellow"))
    grid.add_row("state", state)
    for label in ("serving", "live", "in_flight", "model", "artifact_version", "endpoint", "processes", "restarts"):
        if plain[label] not in (None, "", [], 0):
            value = ", ".join(plain[label]) if isinstance(plain[label], list) else str(plain[label])
            grid.add_row(label.replace("_", " "), Text(value))
    console.print(Text(name, style="bold"))
    console.print(grid)
    if view.seen.verdict is not None:
        console.print()
        show_verdict(console, view.seen.verdict)
    elif (failure := _why_not_newer(view)) is not None:
        console.print(Text(f"\nRevision {failure.revision} failed:"))
        show_verdict(console, Verdict.from_dict(failure.verdict))


@deployment_app.command()
def predict(
    name: Name,
    inputs: Annotated[str | None, typer.Option(help="Rows as JSON: '[[5.1, 3.5, 1.4, 0.2]]'.")] = None,
    data: Annotated[str | None, typer.Option(help="A whole V1 body as JSON: '{\"instances\": …}'.")] = None,
    file: Annotated[Path | None, typer.Option(help="File with the inputs, or the body, as JSON.")] = None,
    project: Project = None,
) -> None:
    """Asks a deployment and prints its predictions as JSON."""
    if sum(given is not None for given in (inputs, data, file)) != 1:
        raise CallerError("Nothing to ask.", "Exactly one of --inputs, --data and --file is needed.")
    value = parse_json(read_text(file) if file else inputs or data or "")
    is_body = data is not None or (file is not None and isinstance(value, dict))
    answer = lifecycle.predict(site_of(project), name, **({"data": value} if is_body else {"inputs": value}))
    print_json(answer.predictions)


@deployment_app.command()
def logs(
    name: Name,
    tail: Annotated[int, typer.Option(min=1, help="How many lines.")] = 100,
    revision: Annotated[int | None, typer.Option(min=1, help="By default the one applied last.")] = None,
    component: Annotated[Component, typer.Option(help="Whose.", case_sensitive=False)] = Component.PREDICTOR,
    project: Project = None,
) -> None:
    """The last lines that the model server wrote; also of a revision that failed or is stopped."""
    for line in lifecycle.logs(site_of(project), name, revision=revision, component=component, tail=tail):
        console.print(Text(line), soft_wrap=True)


@deployment_app.command()
def start(name: Name, project: Project = None) -> None:
    """Starts the last good revision, or mends a deployment whose supervisor is gone; waits until it answers."""
    with errors.status(Text(f"starting {name}")) as shown:
        seen = lifecycle.start(site_of(project), name, on_stage=lambda stage: shown.update(Text(f"{name}: {stage}")))
    console.print(f"{name}: {seen.state.value}, revision {seen.serving} answers at {seen.endpoint}")


@deployment_app.command()
def stop(name: Name, project: Project = None) -> None:
    """Stops a deployment: requests in flight are answered, then no process is left."""
    with errors.status(Text(f"stopping {name}")):
        seen = lifecycle.stop(site_of(project), name)
    console.print(f"{name}: {seen.state.value}")


@deployment_app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    project: Project = None,
) -> None:
    """Stops a deployment and removes all that served it; its history stays."""
    site = site_of(project)
    lifecycle.view(site, name)
    if not yes:
        typer.confirm(f"Stop and delete deployment {name}?", abort=True)
    with errors.status(Text(f"stopping {name}")):
        lifecycle.delete(site, name)
    console.print(f"{name}: deleted")


@deployment_app.command()
def history(
    name: Name,
    full: Annotated[bool, typer.Option("--full", help="With what to do about each failure, and its evidence.")] = False,
    deploys: Annotated[bool, typer.Option("--deploys", help="A line for each deploy, and what came of it.")] = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """What happened to a deployment: when, which revision, who, why; also to one that was deleted."""
    entries = lifecycle.history(site_of(project), name)
    if deploys:
        show_deploys(deploys_of(entries), as_json=as_json)
        return
    if as_json:
        print_json([_plain_entry(entry) for entry in entries])
        return
    console.print(history_table(entries, full=full))


def history_table(entries: Iterable[LedgerEntry], *, full: bool = False) -> Table:
    """A ledger's entries as a table; `full`: with what to do about each failure, and its evidence."""
    table = Table("TIME", "REVISION", "EVENT", "BY", "WHY", box=None, pad_edge=False)
    for entry in entries:
        cells = (entry.time[:19].replace("T", " "), str(entry.revision or "-"), entry.event, entry.actor)
        table.add_row(*map(Text, cells), Text(_why(entry, full=full)), style="red" if entry.verdict else "")
    return table


def show_verdict(console: Console, verdict: Verdict) -> None:
    """Why it failed, where, what to do, and what was seen."""
    console.print(Text(_cause(verdict), style="bold red"))
    for text in (verdict.summary, verdict.expected, verdict.mend):
        if text:
            console.print(Text(text), soft_wrap=True)
    for line in verdict.evidence:
        console.print(Text(f"  {line}", style="dim"), soft_wrap=True)


@deployment_app.command()
def trigger(
    model: Annotated[str, typer.Argument(help="The model that was registered, or whose alias moved.")],
    version: Annotated[int | None, typer.Option(help="Its version; by default the newest.")] = None,
    alias: Annotated[str | None, typer.Option(help="The alias that moved, where that is what happened.")] = None,
    project: Project = None,
) -> None:
    """Tells the orchestrator of a model version, so that deployments which follow the model are redeployed."""
    site = site_of(project)
    announced = announce_again(site, model, version=version, alias=alias)
    console.print(Text(f"{announced['event']} posted to {site.announcer.url}"), soft_wrap=True)


def _cause(verdict: Verdict) -> str:
    return f"{verdict.cause} at {verdict.where}" if verdict.where else verdict.cause


def _why(entry: LedgerEntry, *, full: bool) -> str:
    lines = [entry.reason]
    if (verdict := entry.verdict) is not None:
        lines += [_cause(verdict), verdict.summary]
        lines += [verdict.expected, verdict.mend, *verdict.evidence] if full else []
    return "\n".join(filter(None, lines))


def _why_not_newer(view: DeploymentView) -> Failure | None:
    """The failure because of which nothing serves, or an older revision; not what somebody stopped or tries again."""
    failure, state = view.ledger.last_failure, view.ledger
    if failure is None or state.stopped or state.candidate is not None or view.seen.serving == failure.revision:
        return None
    return failure


def _plain(view: DeploymentView) -> dict[str, Any]:
    seen, revision = view.seen, view.revision
    return {
        "name": view.name,
        "state": "unreadable" if view.unreadable else seen.state.value,
        "stage": view.unreadable or seen.stage,
        "serving": seen.serving,
        "live": view.ledger.live.number if view.ledger.live else None,
        "in_flight": view.ledger.candidate.number if view.ledger.candidate else None,
        "model": f"{revision.model.name} version {revision.model.version}" if revision else None,
        "artifact_version": revision.artifact.version if revision else None,
        "endpoint": view.asked_at,
        "processes": list(seen.processes),
        "restarts": seen.restarts,
        "verdict": seen.verdict.to_dict() if seen.verdict else None,
        "last_failure": view.ledger.last_failure.model_dump() if view.ledger.last_failure else None,
    }


def _plain_entry(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "time": entry.time,
        "actor": entry.actor,
        "event": entry.event.value,
        "revision": entry.revision,
        "reason": entry.reason,
        "verdict": entry.verdict.to_dict() if entry.verdict else None,
    }
