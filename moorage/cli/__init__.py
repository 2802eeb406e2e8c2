"""The `moorage` command: what people type. Verbs are the library's; here is only how they are asked and shown."""

from __future__ import annotations

import logging
import sys

import typer
from rich.text import Text

from moorage.cli import declaration_commands
from moorage.cli.create_command import create
from moorage.cli.deployment_commands import deployment_app
from moorage.cli.model_commands import model_app
from moorage.cli.show_command import show
from moorage.cli.terminal import errors
from moorage.errors import MoorageError

app = typer.Typer(no_args_is_help=True, help="Takes trained models online and keeps them there.", add_completion=False)
for command in (
    declaration_commands.plan,
    declaration_commands.diff,
    declaration_commands.apply,
    declaration_commands.schema,
    create,
    show,
):
    deployment_app.command()(command)
app.add_typer(deployment_app, name="deployment")
app.add_typer(model_app, name="model")


def main() -> None:
    """Runs the command; an error of ours is printed as its sentence and ends it with exit code 1."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        app()
    except MoorageError as error:
        errors.print(Text.assemble(("Error: ", "bold red"), str(error)), soft_wrap=True)
        sys.exit(1)
