"""What is checked in and made of the code: `make generated` writes it anew, and a test holds both equal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from moorage.deployment_schema import as_tables
from moorage.rules import RULES, tables, violations
from moorage.rules.rule import as_table
from moorage.serving.catalog import abilities
from tests.test_rules import EVERY_BREACH

ROOT: Final = Path(__file__).parents[1]
# What stands between <!-- NAME --> and <!-- /NAME -->, by page.
TABLES: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "docs/rules.md": {"rules": lambda: as_table(RULES)},
    "docs/specification.md": {"options": as_tables},
    "docs/configure-a-predictor.md": {
        "model servers": lambda: tables.model_servers(abilities()),
        "serving tools": lambda: tables.serving_tools(abilities()),
        "environments": lambda: tables.environments(abilities()),
    },
}


def commands() -> str:
    """The program's commands, as typer tells them."""
    return _printed("-m", "typer", "moorage.cli", "utils", "docs", "--name", "moorage")


def schema() -> str:
    """The JSON Schema that editors complete the YAML by."""
    return _printed("-c", "from moorage.cli import main; main()", "deployment", "schema")


def messages() -> str:
    """Every message of every rule in full, for whoever reviews a change of one."""
    return "\n".join(
        f"## {name}\n" + "".join(f"{each.rule} {each}\n" for each in violations(spec, known))
        for name, (spec, known) in EVERY_BREACH.items()
    )


def with_tables(page: str) -> str:
    """The page with its tables as they are now."""
    text = (ROOT / page).read_text()
    for name, table in TABLES[page].items():
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        assert end, f"{page} has no place for the table {name!r}"
        text = f"{before}{begin}{table()}\n{end}{after}"
    return text


FILES: Final[dict[str, Callable[[], str]]] = {
    **{page: partial(with_tables, page) for page in TABLES},
    "docs/commands.md": commands,
    "deployments/deployment.schema.json": schema,
    "tests/rules.approved.txt": messages,
}


def _printed(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    for file, made in FILES.items():
        (ROOT / file).write_text(made())
