"""Runs a flow in this process: `python -m flows deploy-model FILE`, `python -m flows collect-garbage`."""

# ruff: noqa: E402 -- who presses Ctrl-C while modules are imported is not to see where in them that was
from __future__ import annotations

import os
import signal

_NOTHING_BEGUN = "Interrupted: nothing was begun."


def _leave_at_once() -> None:
    """Until there is anything to take back."""

    def leave(number: int, _: object) -> None:
        os.write(2, f"{_NOTHING_BEGUN}\n".encode())
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as after nohup
            signal.signal(number, leave)


if __name__ == "__main__":
    _leave_at_once()

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from flows.narration import Narration, show_verdict, show_waterfall
from flows.standalone import Interruption, connect_to_prefect, postponed
from moorage import lifecycle
from moorage.cli.model_shown import show_freed
from moorage.declaration import read_specification
from moorage.errors import CallerError, MoorageError, SomeFailed
from moorage.predictor import Framework, ModelSource
from moorage.report import DeployReport, Outcome
from moorage.retention import LEASE_S
from moorage.settings import PREFIX, Settings
from moorage.site import Site, authorization

Project = Annotated[str | None, typer.Option(help="Project; by default MOORAGE_PROJECT, or 'default'.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@app.callback()
def flows() -> None:
    """Moorage's flows, run in this process; against the Prefect server at PREFECT_API_URL, or without one."""


@app.command()
def deploy_model(
    file: Annotated[Path, typer.Argument(help="YAML file of the model deployment.")],
    register: Annotated[str | None, typer.Option(help="Model files to register first: a folder or a file.")] = None,
    framework: Annotated[Framework, typer.Option(help="What they were trained with.")] = Framework.PYTHON,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    retry_quarantined: Annotated[bool, typer.Option(help="Try again what failed before.")] = False,
    project: Project = None,
) -> None:
    """Takes a model online; what cannot be proven is taken back."""
    _work_in(project)
    spec = read_specification(file)
    source = ModelSource(path=register, framework=framework) if register else None
    with Interruption() as interruption, Narration(console) as narration:
        narration.say("starting Prefect")
        try:
            connect_to_prefect()
            with postponed():
                from flows.deploy_model import deploy_model as flow

            report = flow(spec, model_files=source, reason=reason, retry_quarantined=retry_quarantined)
        except MoorageError:
            if narration.report is not None and narration.report.verdict is not None:
                show_waterfall(console, narration.report)
                show_verdict(errors, narration.report)
                raise typer.Exit(1) from None
            raise
        except KeyboardInterrupt:
            errors.print(_what_was_interrupted(narration.report))
            raise typer.Exit(interruption.exit_code) from None
    show_waterfall(console, report)
    if report.endpoint:
        asked_at = lifecycle.view(Site.from_env(), spec.name).asked_at or report.endpoint
        console.print(Text(asked_at), soft_wrap=True)


@app.command()
def redeploy_declared(
    folder: Annotated[str, typer.Argument(help="Folder with a YAML file for each; 'Projects/…': in the store.")],
    only: Annotated[list[str] | None, typer.Option(help="A deployment to look at; may be given again.")] = None,
    at_once: Annotated[int, typer.Option(min=1, max=32, help="How many deploys go on at the same time.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Retire what is no longer declared.")] = False,
    retry_quarantined: Annotated[bool, typer.Option(help="Try again what failed before.")] = False,
    group: Annotated[str, typer.Option(help="What is declared together.")] = "declared",
    project: Project = None,
) -> None:
    """Deploys what a folder declares and what differs from what is live."""
    _work_in(project)
    with Interruption() as interruption, Narration(console, several=True) as narration:
        narration.say("starting Prefect")
        try:
            connect_to_prefect()
            with postponed():
                from flows.redeploy_declared import redeploy_declared as flow

            flow(
                folder,
                only=tuple(only or ()),
                at_once=at_once,
                dry_run=dry_run,
                prune=prune,
                retry_quarantined=retry_quarantined,
                group=group,
            )
        except SomeFailed:
            narration.show_reconciliation()
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            errors.print("Interrupted: what is deployed is deployed. Run it again to go on.")
            raise typer.Exit(interruption.exit_code) from None
    narration.show_reconciliation()


@app.command()
def collect_garbage(
    keep: Annotated[
        int | None, typer.Option(min=1, help="Newest versions of each model that stay. Without it, none is deleted.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed.")] = False,
    model: Annotated[str | None, typer.Option(help="The one model to look at.")] = None,
    lease_s: Annotated[
        float, typer.Option(min=0, help="Seconds for which what was begun and never published is left alone.")
    ] = LEASE_S,
    project: Project = None,
) -> None:
    """Frees what no model version needs any more; what an alias or a deployment needs is spared."""
    _work_in(project)
    with Interruption() as interruption, console.status("starting Prefect") as status:
        try:
            connect_to_prefect()
            with postponed():
                from flows.collect_garbage import collect_garbage as flow

            status.update("collecting garbage")
            tidied = flow(keep=keep, dry_run=dry_run, model=model, lease_s=lease_s)
        except KeyboardInterrupt:
            errors.print("Interrupted: what was freed is freed. Run it again to go on.")
            raise typer.Exit(interruption.exit_code) from None
    show_freed(console, tidied)


@app.command()
def orchestrator(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the server, on this machine alone.")] = 4200,
    runs_at_once: Annotated[int, typer.Option(min=1, max=64, help="How many runs the worker takes.")] = 4,
) -> None:
    """Runs a Prefect server, a worker, and all of prefect.yaml, until Ctrl-C."""
    with postponed():
        from flows.orchestrator import run_orchestrator
    folder = Settings.from_env(os.environ).home / "orchestrator"
    run_orchestrator(port, folder, runs_at_once=runs_at_once, say=lambda what: console.print(what, soft_wrap=True))


@app.command()
def watch_for_zombies() -> None:
    """Has the Prefect server at PREFECT_API_URL mark runs as crashed whose process is gone, or that never began."""
    url = os.environ.get("PREFECT_API_URL", "")
    if not url:
        raise CallerError("No Prefect server is named.", "PREFECT_API_URL names one.", "Set it and try again.")
    from flows.prefect_api import PrefectApi
    from flows.zombies import give_up_unbegun
    from flows.zombies import watch_for_zombies as watch

    api = PrefectApi(url, authorization(os.environ))
    watch(api)
    console.print(Text(f"{url} marks runs as crashed whose process is gone."), soft_wrap=True)
    for name in give_up_unbegun(api):
        console.print(Text(f"{name} never began, and is marked as crashed."), soft_wrap=True)


def _work_in(project: str | None) -> None:
    """Each task opens the site that the environment describes, in a worker as here: so that is where a project goes."""
    settings = Settings.from_env(os.environ, project=project)
    os.environ[f"{PREFIX}PROJECT"] = settings.project


def _what_was_interrupted(report: DeployReport | None) -> str:
    if report is None or report.revision is None:
        return _NOTHING_BEGUN
    if report.outcome in (Outcome.LIVE, Outcome.NOTHING_TO_DO):
        return f"Interrupted, but {report.headline}."
    return "Interrupted: what was in flight was taken back. Run it again to go on."


if __name__ == "__main__":
    try:
        app()
    except MoorageError as error:
        errors.print(Text.assemble(("Error: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(1)
