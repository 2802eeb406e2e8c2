"""The Python in a Jupyter notebook (pure): its code cells one after another, without what only IPython understands."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from moorage.errors import CallerError

SUFFIX: Final = ".ipynb"

# https://nbformat.readthedocs.io/en/latest/format_description.html
_FORMAT: Final = 4
_NEWLINE: Final = re.compile(r"\r\n?|\n")
# Their cells run, or are written to a module, as they stand; those of other magics are no Python, or run elsewhere.
_AROUND_PYTHON: Final = re.compile(r"%%(time|capture|prun)\b|%%(writefile|file)\s.*\.py\s*$")


def source_of(content: str | bytes, file: str) -> str:
    """The Python of a notebook's code cells, in their order, each under a comment with its number.

    Lines that only IPython understands (`%…`, `!…`) are comments in it, and so are all of a cell that a magic such as
    `%%bash` gives to somebody else: each line of a code cell has its line here.

    Args:
        content: the notebook file.
        file: its name, for the messages.

    Raises:
        CallerError: it is no notebook, or none of today's format.
    """
    lines: list[str] = []
    for number, cell in enumerate(_code_cells(content, file), start=1):
        lines += [f"# code cell {number}", *_as_python(_NEWLINE.split(cell))]
    return "\n".join([*lines, ""])


def _code_cells(content: str | bytes, file: str) -> Iterator[str]:
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as exc:
        raise _no_notebook(file, f"it is no JSON ({exc})") from None
    if not isinstance(notebook, dict) or "nbformat" not in notebook:
        raise _no_notebook(file, "it does not say which `nbformat` it has")
    if notebook["nbformat"] != _FORMAT:
        raise CallerError(
            f"{file} is a notebook of format {notebook['nbformat']}.",
            f"Expected format {_FORMAT}.",
            f"`jupyter nbconvert --to notebook --inplace {file}` brings it there.",
        )
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise _no_notebook(file, "it has no list of `cells`")
    for cell in cells:
        if cell.get("cell_type") == "code":
            yield _text_of(cell.get("source"), file)


def _text_of(source: Any, file: str) -> str:
    """A text may be kept as one, or by its lines."""
    parts = source if isinstance(source, list) else [source]
    if not all(isinstance(part, str) for part in parts):
        raise _no_notebook(file, "the `source` of a code cell is no text")
    return "".join(parts)


def _no_notebook(file: str, why: str) -> CallerError:
    return CallerError(
        f"{file} is no Jupyter notebook: {why}.",
        f"Expected one of format {_FORMAT}.",
        "Save it anew in Jupyter, or name a .py file.",
    )


def _as_python(lines: Sequence[str]) -> list[str]:
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    magic = lines[first]
    if magic.startswith("%%") and not _AROUND_PYTHON.match(magic):
        return [f"# {line}" for line in lines]
    mine = list(lines)
    if magic.startswith("%%"):
        mine[first] = f"# {magic}"
    return _without_magics(mine)


def _without_magics(lines: list[str]) -> list[str]:
    """Python itself tells which lines: `% 3` may go on with a sum, and a string may hold whatever it likes."""
    while any(map(_is_magic, lines)) and (number := _first_mistake(lines)) is not None and _is_magic(lines[number]):
        goes_on = lines[number].endswith("\\")
        lines[number] = _left_out(lines[number])
        while goes_on and (number := number + 1) < len(lines):
            goes_on = lines[number].endswith("\\")
            lines[number] = f"# {lines[number]}"
    return lines


def _is_magic(line: str) -> bool:
    return line.lstrip().startswith(("%", "!"))


def _first_mistake(lines: Sequence[str]) -> int | None:
    try:
        ast.parse("\n".join(lines))
    except SyntaxError as exc:
        return min(exc.lineno or 1, len(lines)) - 1
    except ValueError:
        pass  # it is told with the rest of the script
    return None


def _left_out(line: str) -> str:
    """A comment; in a block something that does nothing, for it may be all that the block has."""
    text = line.lstrip()
    indent = line[: -len(text)]
    return f"{indent}pass  # {text}" if indent else f"# {text}"
