"""Bodies on their way through a transformer, and whose fault it is when they do not get through."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path
from typing import Any

import pytest

from moorage.errors import CallerError, PredictorScriptError
from moorage.runtime.blame import own_frames
from moorage.runtime.loader import load_transformer
from moorage.startup import Cause
from tests.values import a_notebook


class Doubles:
    """A predictor that remembers what it was asked."""

    class_name, file = "Predictor", "predictor.py"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def answer(self, body: Any) -> dict[str, Any]:
        self.asked.append(body)
        return {"predictions": [row[0] * 2 for row in body["instances"]]}


@pytest.fixture
def through(tmp_path):
    """Asks a body of a transformer's script; the answer, and what the predictor was asked."""

    def ask(methods: str, body: Any) -> tuple[Any, list[Any]]:
        script = tmp_path / "transformer.py"
        script.write_text("import numpy\nclass Transformer:\n" + textwrap.indent(textwrap.dedent(methods), "    "))
        predictor = Doubles()
        answer = asyncio.run(load_transformer(script, predictor).answer(body))
        return answer, predictor.asked

    return ask


BODY = {"instances": [[1], [2]]}


def test_what_preprocess_returns_is_asked_and_what_postprocess_returns_is_answered(through):
    answer, asked = through(
        """
        def preprocess(self, inputs):
            return {"instances": [[row[0] + 10] for row in inputs["instances"]]}
        def postprocess(self, outputs):
            return [f"{each} !" for each in outputs]
        """,
        BODY,
    )
    assert asked == [{"instances": [[11], [12]]}]
    assert answer == {"predictions": ["22 !", "24 !"]}


RETURNS = {
    "a list": ("[[7]]", {"instances": [[7]]}),
    "an array in a body": ('{"instances": numpy.array([[7]])}', {"instances": [[7]]}),
    "the body with more in it": ('inputs | {"parameters": {"a": 1}}', BODY | {"parameters": {"a": 1}}),
    "inputs": ('{"inputs": [[7]], "instances": [[7]]}', {"inputs": [[7]], "instances": [[7]]}),
}


@pytest.mark.parametrize(("returned", "asked"), RETURNS.values(), ids=RETURNS.keys())
def test_preprocess_may_return(through, returned, asked):
    assert through(f"def preprocess(self, inputs): return {returned}", BODY)[1] == [asked]


def test_one_of_both_methods_is_enough_and_may_be_async(through):
    assert through("async def postprocess(self, outputs): return sum(outputs)", BODY) == ({"predictions": 6}, [BODY])
    assert through("async def preprocess(self, inputs): return [[0]]", BODY)[0] == {"predictions": [0]}


FAULTS = {
    "no body": ("def preprocess(self, inputs): return 7", "preprocess returned int, which no predictor can be asked"),
    "no rows": ("def preprocess(self, inputs): return {}", "preprocess returned dict"),
    "no JSON": ("def preprocess(self, inputs): return [[float('nan')]]", "NaN"),
    "an exception": ("def preprocess(self, inputs): return 1 / 0", "ZeroDivisionError"),
    "an exit": ("def postprocess(self, outputs): raise SystemExit(3)", "called sys.exit(3)"),
    "an answer that is no JSON": ("def postprocess(self, outputs): return object()", "object"),
}


@pytest.mark.parametrize(("method", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_the_fault_is_the_scripts_with_its_line(through, method, said):
    with pytest.raises(PredictorScriptError) as told:
        through(method, BODY)
    assert (told.value.file, told.value.line) == ("transformer.py", 3)
    assert said in str(told.value)


def test_who_asks_for_nothing_is_at_fault(through):
    with pytest.raises(CallerError, match="neither 'instances' nor 'inputs'"):
        through("def preprocess(self, inputs): return inputs", {"rows": 1})


MISSING = {
    "class": ("class Predictor: ...", Cause.CLASS_MISSING, "has no class Transformer: it has only Predictor"),
    "method": ("class Transformer: ...", Cause.METHOD_MISSING, "has no method preprocess or postprocess"),
    "argument": (
        "class Transformer:\n    def preprocess(self): ...",
        Cause.METHOD_MISSING,
        "Expected it to take one argument beside self: preprocess(self, inputs)",
    ),
}


@pytest.mark.parametrize(("source", "cause", "said"), MISSING.values(), ids=MISSING.keys())
def test_what_a_transformer_needs_is_said(tmp_path: Path, source, cause, said):
    (tmp_path / "t.py").write_text(source)
    with pytest.raises(PredictorScriptError) as told:
        load_transformer(tmp_path / "t.py", Doubles())
    assert told.value.cause == cause
    assert said in str(told.value)


@pytest.fixture
def notebook(tmp_path):
    """Loads a transformer from a notebook of these cells."""

    def load(*cells: str):
        (tmp_path / "t.ipynb").write_text(a_notebook(*cells))
        return load_transformer(tmp_path / "t.ipynb", Doubles())

    return load


def test_the_cells_of_a_notebook_are_run_in_order(notebook, tmp_path):
    (tmp_path / "offsets.py").write_text("MORE = 10")
    loaded = notebook(
        "%matplotlib inline\n!pip install nothing\nfrom .offsets import MORE",
        "%%bash\nexit 1",
        "class Transformer:\n    def preprocess(self, inputs):\n        return [[MORE + LESS]]",
        "%%time\nLESS = 1",
    )
    assert asyncio.run(loaded.answer(BODY)) == {"predictions": [22]}
    assert (loaded.class_name, loaded.file) == ("Transformer", "t.ipynb")
    assert {path.name for path in tmp_path.iterdir()} == {"t.ipynb", "offsets.py"}


def test_an_error_in_a_notebook_is_blamed_on_its_line_and_the_traceback_shows_it(notebook):
    loaded = notebook(
        "import json", "class Transformer:\n    def preprocess(self, inputs):\n        return 1 / 0  # cell 2"
    )
    with pytest.raises(PredictorScriptError, match=r"Mend t\.ipynb, line 6 of its code cells\.") as told:
        asyncio.run(loaded.answer(BODY))
    assert (told.value.file, told.value.line) == ("t.ipynb", 6)
    assert "return 1 / 0  # cell 2" in "\n".join(own_frames(told.value))


IN_A_NOTEBOOK = {
    "no class": (a_notebook("x = 1", "class Other: ..."), Cause.CLASS_MISSING, "t.ipynb has no class Transformer"),
    "no Python": (a_notebook("x = 1", "files = !ls"), Cause.SYNTAX_ERROR, "Mend t.ipynb, line 4 of its code cells"),
    "no notebook": ("class Transformer: ...", Cause.SYNTAX_ERROR, "t.ipynb is no Jupyter notebook"),
}


@pytest.mark.parametrize(("content", "cause", "said"), IN_A_NOTEBOOK.values(), ids=IN_A_NOTEBOOK.keys())
def test_what_a_notebook_lacks_is_said(tmp_path, content, cause, said):
    (tmp_path / "t.ipynb").write_text(content)
    with pytest.raises(PredictorScriptError) as told:
        load_transformer(tmp_path / "t.ipynb", Doubles())
    assert (told.value.cause, told.value.file) == (cause, "t.ipynb")
    assert said in str(told.value)
