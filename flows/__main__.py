"""Runs a flow in this process: `python -m flows deploy-model FILE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from flows.narration import Narration, show_verdict, show_waterfall
from flows.standalone import connect_to_prefect
from moorage.declaration import read_specification
from moorage.errors import MoorageError
from moorage.predictor import Framework, ModelSource

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
) -> None:
    """Takes a model online; what cannot be proven is taken back."""
    spec = read_specification(file)
    source = ModelSource(path=register, framework=framework) if register else None
    with Narration(console) as narration:
        narration.say("starting Prefect")
        try:
            connect_to_prefect()
            from flows.deploy_model import deploy_model as flow

            report = flow(spec, model_files=source, reason=reason, retry_quarantined=retry_quarantined)
        except MoorageError:
            if narration.report is not None and narration.report.verdict is not None:
                show_waterfall(console, narration.report)
                show_verdict(errors, narration.report)
                raise typer.Exit(1) from None
            raise
        except KeyboardInterrupt:
            errors.print("Interrupted: what was in flight was taken back. Run it again to go on.")
            raise typer.Exit(130) from None
    show_waterfall(console, report)
    if report.endpoint:
        console.print(Text(f"{report.endpoint}/v1/models/{spec.name}:predict"), soft_wrap=True)


if __name__ == "__main__":
    try:
        app()
    except MoorageError as error:
        errors.print(Text.assemble(("Error: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(1)
