"""The `moorage` command as tests run it."""

from typer.testing import CliRunner

from moorage.cli import app


def moorage(*arguments: str) -> str:
    """What the command prints; it has to go well."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout
