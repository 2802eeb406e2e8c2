"""Questions on the command line, each of which a flag may answer, so that scripts never wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer
from rich.text import Text

from moorage.cli.terminal import errors
from moorage.errors import CallerError


@dataclass(frozen=True)
class Questions:
    """Asks for what no flag said; where nobody is there to be asked, takes what is prefilled."""

    is_asking: bool

    def ask(self, what: str, given: Any, prefilled: Any, flag: str, *, of: Sequence[str] = ()) -> str:
        """One answer. Raises CallerError where there is none and nobody to be asked."""
        if given is not None:
            return str(given)
        if not self.is_asking:
            if prefilled is None:
                raise CallerError(f"{what} was not said.", "Nobody is there to be asked.", f"Give {flag}.")
            return str(prefilled)
        hint = f"{what} ({', '.join(of)})" if of else what
        filled_in = None if prefilled is None else str(prefilled)
        answer: str = typer.prompt(hint, default=filled_in, show_default=bool(filled_in), err=True)
        if of and answer not in of:
            errors.print(Text(f"{answer} is none of {', '.join(of)}.", style="red"))
            return self.ask(what, None, prefilled, flag, of=of)
        return answer
