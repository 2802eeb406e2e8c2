"""How the documentation's site is built: `make docs`."""

from importlib.metadata import version as version_of
from typing import Any

project = "Moorage"
version = release = version_of("moorage")
copyright = ""  # noqa: A001 - Sphinx' own name
html_show_copyright = html_show_sphinx = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
# Files of the repository: their links lead there on the forge, and are plain text here.
suppress_warnings = ["myst.xref_missing"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Examples stand in the docstrings, and are run by the tests.
napoleon_use_admonition_for_examples = False

html_theme = "furo"
html_title = "Moorage"


def setup(app: Any) -> None:
    """What Sphinx calls."""
    app.connect("autodoc-process-docstring", _draw_the_tree)
    app.connect("autodoc-process-signature", _leave_out_what_nobody_calls)


def _draw_the_tree(_app: Any, _what: str, name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
    if name == "moorage.errors":
        lines[:] = [lines[0].rstrip(".") + "::", "", *(f"    {line}" for line in lines[1:])]


def _leave_out_what_nobody_calls(_app: Any, what: str, name: str, *_: Any) -> tuple[str, str] | None:
    # the client's handles give each other out
    return ("", "") if what == "class" and name.startswith("moorage.client.") else None
