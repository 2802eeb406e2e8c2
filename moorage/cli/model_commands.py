"""`moorage model …`: what is registered."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from moorage.cli.terminal import Json, Project, console, print_json, site_of, size_text

model_app = typer.Typer(no_args_is_help=True, help="Registered models.")


@model_app.command("list")
def list_models(project: Project = None, as_json: Json = False) -> None:
    """Every registered model with its newest version."""
    registry = site_of(project).registry
    newest = [registry.get(name) for name in registry.models()]
    if as_json:
        print_json([_plain_model(model) for model in newest])
        return
    if not newest:
        console.print("No models yet.")
        return
    table = Table("MODEL", "NEWEST", "FRAMEWORK", "SIZE", "METRICS", "CREATED", box=None, pad_edge=False)
    for model in newest:
        metrics = ", ".join(f"{name}={value:.4g}" for name, value in model.metrics.items())
        created = model.created_at[:19].replace("T", " ")
        cells = (model.name, str(model.version), model.framework, size_text(model.size), metrics or "-", created)
        table.add_row(*map(Text, cells))
    console.print(table)


def _plain_model(model: Any) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": model.version,
        "framework": model.framework,
        "digest": model.digest,
        "size": model.size,
        "metrics": dict(model.metrics),
        "created_at": model.created_at,
    }
