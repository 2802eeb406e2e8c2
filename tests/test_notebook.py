"""Notebooks in, Python out."""

import json

import pytest

from moorage.errors import CallerError
from moorage.notebook import source_of
from tests.values import a_notebook


def python(*cells: str) -> str:
    return source_of(a_notebook(*cells), "t.ipynb")


def test_code_cells_follow_one_another_and_each_says_its_number():
    assert python("x = 1\n", "", "y = x") == "# code cell 1\nx = 1\n\n# code cell 2\n\n# code cell 3\ny = x\n"


def test_a_notebook_without_code_is_empty():
    assert python() == ""


@pytest.mark.parametrize("source", ["a\nb", ["a\n", "b"], ["a\r\n", "b"], "a\rb"], ids=repr)
def test_a_text_is_kept_as_one_or_by_its_lines(source):
    cells = [{"cell_type": "code", "source": source}]
    assert source_of(json.dumps({"nbformat": 4, "cells": cells}).encode(), "t.ipynb") == "# code cell 1\na\nb\n"


LEFT_OUT = {
    "a magic": ("%matplotlib inline\nx = 1", "# %matplotlib inline\nx = 1"),
    "a command": ("!pip install 'x\nx = 1", "# !pip install 'x\nx = 1"),
    "several, which no Python could begin with": ("%cd 077\n!cat x (\n%run it's", "# %cd 077\n# !cat x (\n# %run it's"),
    "all that a block has": (
        "try:\n    import x\nexcept ImportError:\n    !pip install x\nelse:\n\t%time y",
        "try:\n    import x\nexcept ImportError:\n    pass  # !pip install x\nelse:\n\tpass  # %time y",
    ),
    "a command that goes on": ("!pip install \\\n  x \\\n  y\nz = 1", "# !pip install \\\n#   x \\\n#   y\nz = 1"),
    "before an import of the future": (
        "%x\nfrom __future__ import annotations",
        "# %x\nfrom __future__ import annotations",
    ),
    "a cell for a shell": ("\n%%bash -e\nif true; then", "# \n# %%bash -e\n# if true; then"),
    "a cell that is no module": ("%%writefile a.yaml\na: 1", "# %%writefile a.yaml\n# a: 1"),
    "the first line of a cell that is timed": ("\n%%time\n%x\ny = 1", "\n# %%time\n# %x\ny = 1"),
    "the first line of a cell that is a module": ("%%writefile -a t.py\ny = 1", "# %%writefile -a t.py\ny = 1"),
}


@pytest.mark.parametrize(("cell", "expected"), LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_left_out_is(cell, expected):
    assert python(cell) == f"# code cell 1\n{expected}\n"
    compile(python(cell), "t.ipynb", "exec")


STAYS = {
    "a remainder on a line of its own": "x = (10\n     % 3)",
    "in a string": 's = """\n%time\n!ls\n%%bash\n"""',
    "what follows a backslash": "x = 10 \\\n  % 3",
    "what is told as no Python": "x = !ls",
    "a mistake before a magic": "x = = 1\n%time x",
    "a NUL": "x = 1\0\n%time x",
}


@pytest.mark.parametrize("cell", STAYS.values(), ids=STAYS.keys())
def test_stays_as_it_is(cell):
    assert python(cell) == f"# code cell 1\n{cell}\n"


def test_a_string_may_hold_magics_beside_real_ones():
    cell = '%time x\ns = """\n%time\n"""\n!ls'
    assert python(cell) == '# code cell 1\n# %time x\ns = """\n%time\n"""\n# !ls\n'


NO_NOTEBOOK = {
    "no JSON": ("class Transformer: ...", r"t\.ipynb is no Jupyter notebook: it is no JSON \(Expecting value: line 1"),
    "empty": ("", "it is no JSON"),
    "no text": (b"\xff\xfe\xfd", "it is no JSON"),
    "too deep": ("[" * 100_000, "it is no JSON"),
    "a list": ("[]", "does not say which `nbformat` it has. Expected one of format 4. Save it anew in Jupyter"),
    "another mapping": ('{"cells": []}', "does not say which `nbformat`"),
    "before 2014": (
        '{"nbformat": 3, "worksheets": []}',
        r"of format 3\. .*`jupyter nbconvert --to notebook --inplace t\.",
    ),
    "no cells": ('{"nbformat": 4}', "no list of `cells`"),
    "cells by name": ('{"nbformat": 4, "cells": {}}', "no list of `cells`"),
    "cells that are none": ('{"nbformat": 4, "cells": [1]}', "no list of `cells`"),
    "a cell without text": ('{"nbformat": 4, "cells": [{"cell_type": "code"}]}', "`source` of a code cell is no text"),
    "numbers": ('{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}', "`source` of a code cell is no"),
}


@pytest.mark.parametrize(("content", "said"), NO_NOTEBOOK.values(), ids=NO_NOTEBOOK.keys())
def test_what_is_no_notebook_is_refused_with_why(content, said):
    with pytest.raises(CallerError, match=said):
        source_of(content, "t.ipynb")
