from __future__ import annotations

import asyncio
import contextvars
import pickle
import subprocess
import sys
import textwrap
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from moorage.errors import CallerError, PredictorScriptError
from moorage.runtime.blame import own_frames
from moorage.runtime.loaded import LoadedPredictor
from moorage.runtime.loader import load_predictor
from moorage.startup import Cause

Load = Callable[..., LoadedPredictor]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    path, hooks, modules = list(sys.path), list(sys.path_hooks), set(sys.modules)

    def load_script(source: str, file: str = "predictor.py", **beside: str) -> LoadedPredictor:
        for name, text in beside.items():
            module = tmp_path / f"{name.replace('__', '/')}.py"
            module.parent.mkdir(exist_ok=True)
            module.write_text(textwrap.dedent(text))
        script = tmp_path / file
        script.write_text(textwrap.dedent(source), encoding="utf-8")
        return load_predictor(script)

    yield load_script
    sys.path[:] = path
    sys.path_hooks[:] = hooks
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def ask(predictor: LoadedPredictor, inputs: Any) -> Any:
    return asyncio.run(predictor.answer({"instances": inputs}))["predictions"]


_PREDICT = "    def predict(self, inputs): return inputs\n"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (f"class Predictor:\n{_PREDICT}", "Predictor"),
        (f"class Predict:\n{_PREDICT}", "Predict"),
        (f"class Predict:\n{_PREDICT}class Predictor:\n{_PREDICT}", "Predictor"),
        (f"class Base:\n{_PREDICT}class Predictor(Base): ...", "Predictor"),
        ("class Predictor:\n    @staticmethod\n    def predict(inputs): return inputs", "Predictor"),
        ("class Predictor:\n    @classmethod\n    def predict(cls, inputs, more=1): return inputs", "Predictor"),
        ("class Predictor:\n    def predict(self, *rows): return rows[0]", "Predictor"),
        (f"class Predictor:\n    def __init__(self, path='x', **rest): ...\n{_PREDICT}", "Predictor"),
        ("class Predictor:\n    predict = staticmethod(list)", "Predictor"),
    ],
)
def test_the_class_of_the_script_answers(load, source, name):
    predictor = load(source)
    assert (predictor.class_name, predictor.is_async, predictor.file) == (name, False, "predictor.py")
    assert ask(predictor, [[1]]) == [[1]]


@pytest.mark.parametrize(
    ("source", "cause", "line", "said"),
    [
        pytest.param("class Predictor\n    pass", Cause.SYNTAX_ERROR, 1, "`class Predictor`", id="syntax"),
        pytest.param(f"return\nclass Predictor:\n{_PREDICT}", Cause.SYNTAX_ERROR, 1, "outside function", id="compiler"),
        pytest.param("class Model: ...", Cause.CLASS_MISSING, None, "only Model", id="class"),
        pytest.param("Predictor = 5", Cause.CLASS_MISSING, None, "no class at all", id="no class under the name"),
        pytest.param("class Predictor: ...", Cause.METHOD_MISSING, 1, "no method predict", id="predict"),
        pytest.param("class Predictor(dict): ...", Cause.METHOD_MISSING, None, "no method predict", id="not inherited"),
        pytest.param("class Predictor:\n    predict = 5", Cause.METHOD_MISSING, None, "no method", id="not callable"),
        pytest.param(
            "class Predictor:\n    def predict(self): ...", Cause.METHOD_MISSING, 2, r"predict\(self\)", id="argument"
        ),
        pytest.param(
            "class Predictor:\n    def predict(self, a, b): ...",
            Cause.METHOD_MISSING,
            2,
            r"predict\(self, a, b\)",
            id="two arguments",
        ),
        pytest.param(
            f"class Predictor:\n    def __init__(self, project): ...\n{_PREDICT}",
            Cause.METHOD_MISSING,
            2,
            r"__init__\(self, project\)",
            id="init argument",
        ),
        pytest.param("import nothere", Cause.CLASS_MISSING, None, "no class", id="class is looked for first"),
        pytest.param(
            f"import nothere\nclass Predictor:\n{_PREDICT}", Cause.PACKAGE_MISSING, 1, "'nothere'", id="package"
        ),
        pytest.param(
            f"from . import nothere\nclass Predictor:\n{_PREDICT}",
            Cause.SCRIPT_ERROR,
            1,
            "'nothere' from the folder of the script",
            id="name beside",
        ),
        pytest.param(
            f"from .nothere import x\nclass Predictor:\n{_PREDICT}",
            Cause.PACKAGE_MISSING,
            1,
            r"Only the script, the conf.* are delivered: name nothere\.py, or the folder nothere, among",
            id="file beside",
        ),
        pytest.param(
            f"from json import nothere\nclass Predictor:\n{_PREDICT}", Cause.SCRIPT_ERROR, 1, "ImportError", id="name"
        ),
        pytest.param(
            f"class Predictor:\n{_PREDICT}\n1 / 0", Cause.SCRIPT_ERROR, 4, "ZeroDivisionError: division", id="import"
        ),
        pytest.param(
            f"class Predictor:\n    def __init__(self):\n        open('/nope')\n{_PREDICT}",
            Cause.SCRIPT_ERROR,
            3,
            "FileNotFoundError",
            id="init",
        ),
        pytest.param(
            f"import sys\nsys.exit(3)\nclass Predictor:\n{_PREDICT}",
            Cause.SCRIPT_EXITED,
            2,
            r"sys\.exit\(3\)",
            id="exit at import",
        ),
        pytest.param(
            f"class Predictor:\n    def __init__(self):\n        raise SystemExit\n{_PREDICT}",
            Cause.SCRIPT_EXITED,
            3,
            r"sys\.exit\(\)",
            id="exit in init",
        ),
    ],
)
def test_a_bad_script_is_refused_with_its_line(load, source, cause, line, said):
    with pytest.raises(PredictorScriptError, match=said) as caught:
        load(source)
    assert (caught.value.cause, caught.value.file, caught.value.line) == (cause, "predictor.py", line)


def test_a_script_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PredictorScriptError, match=r"no predictor script gone\.py") as caught:
        load_predictor(tmp_path / "gone.py")
    assert caught.value.cause == Cause.SCRIPT_MISSING


def test_a_missing_package_is_named_as_it_is_installed(load):
    source = f"try:\n    import cv2\nexcept ImportError as e:\n    raise\nclass Predictor:\n{_PREDICT}"
    with pytest.raises(PredictorScriptError, match="'opencv-python-headless' to the environment"):
        load(source)


def test_a_keyboard_interrupt_passes_through(load):
    with pytest.raises(KeyboardInterrupt):
        load(f"raise KeyboardInterrupt\nclass Predictor:\n{_PREDICT}")


@pytest.mark.parametrize("statement", ["import features", "from . import features", "from .features import ROWS"])
def test_files_beside_the_script_are_imported(load, statement):
    rows = "ROWS" if statement.endswith("ROWS") else "features.ROWS"
    source = f"{statement}\nclass Predictor:\n    def predict(self, inputs): return {rows}"
    assert ask(load(source, features="ROWS = [1, 2]"), [[0]]) == [1, 2]


def test_loading_leaves_the_verified_folder_as_it_is(load, tmp_path):
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "few.py").write_text("ROWS = [1]")
    source = "import features, rows.few\nfrom . import features as own\nclass Predictor(features.Base): ..."
    load(source, features="class Base:\n    def predict(self, inputs): return inputs")
    assert {path.name for path in tmp_path.rglob("*")} == {"predictor.py", "features.py", "rows", "few.py"}


def test_an_error_in_a_file_beside_is_blamed_on_that_file(load):
    with pytest.raises(PredictorScriptError, match="ValueError: bad rows") as caught:
        load(f"import features\nclass Predictor:\n{_PREDICT}", features="\nraise ValueError('bad rows')")
    assert (caught.value.file, caught.value.line) == ("features.py", 2)


def test_a_syntax_error_in_a_file_beside_is_blamed_on_that_file(load):
    with pytest.raises(PredictorScriptError, match="`def f") as caught:
        load(f"import features\nclass Predictor:\n{_PREDICT}", features="\n\ndef f(")
    assert (caught.value.cause, caught.value.file, caught.value.line) == (Cause.SYNTAX_ERROR, "features.py", 3)


@pytest.mark.parametrize("statement", ["import features.text as text", "from .features import text"])
def test_folders_beside_the_script_are_imported_and_what_they_import_of_each_other(load, statement):
    source = f"{statement}\nclass Predictor:\n    def predict(self, inputs): return text.ROWS"
    beside = {"features__text": "from . import few\nimport numbers_of\nROWS = few.ROWS + numbers_of.ROWS"}
    predictor = load(source, **beside, features__few="ROWS = [1]", numbers_of="ROWS = [2]")
    assert ask(predictor, [[0]]) == [1, 2]


def test_an_error_in_a_folder_beside_is_blamed_on_the_file_in_it(load):
    source = "from features.text import Base\nclass Predictor(Base):\n    def predict(self, inputs): return inputs"
    with pytest.raises(PredictorScriptError, match="KeyError") as caught:
        load(source, features__text="class Base:\n    def __init__(self):\n        {}['a']")
    assert (caught.value.file, caught.value.line) == ("features/text.py", 3)
    assert '  File "features/text.py", line 3, in __init__' in own_frames(caught.value)


def test_a_syntax_error_in_a_folder_beside_shows_no_path_of_this_machine(load, tmp_path):
    with pytest.raises(PredictorScriptError, match="SyntaxError") as caught:
        load(f"import features.text\nclass Predictor:\n{_PREDICT}", features__text="x = (")
    assert caught.value.file == "features/text.py"
    assert str(tmp_path) not in "\n".join(own_frames(caught.value))


UNANSWERABLE = {
    "a signature": ("def predict(self): ...", "its signature is predict"),
    "an answer": ("def predict(self, inputs): return [float('nan')]", "is nan"),
}


@pytest.mark.parametrize(("method", "said"), UNANSWERABLE.values(), ids=UNANSWERABLE.keys())
def test_a_method_from_a_file_beside_is_blamed_on_that_file(load, method, said):
    with pytest.raises(PredictorScriptError, match=said) as caught:
        ask(load("from features import Predictor", features=f"class Predictor:\n    {method}"), [[1]])
    assert (caught.value.file, caught.value.line) == ("features.py", 2)


MISSING = {
    "plainly": "import features.nothere",
    "relatively": "from .features.nothere import x",
    "from within": "import features.text",
}


@pytest.mark.parametrize("statement", MISSING.values(), ids=MISSING.keys())
def test_what_a_delivered_folder_lacks_is_named(load, statement):
    with pytest.raises(
        PredictorScriptError, match=r"Add features/nothere\.py: the folder features was delivered without"
    ):
        load(f"{statement}\nclass Predictor:\n{_PREDICT}", features__text="from .nothere import x")


def test_a_failed_load_leaves_nothing_behind(load):
    path, hooks, modules = list(sys.path), list(sys.path_hooks), set(sys.modules)
    source = f"import features\nfrom . import features as again\nclass Predictor:\n{_PREDICT}\n1 / 0"
    with pytest.raises(PredictorScriptError, match="ZeroDivisionError"):
        load(source, features="ROWS = 1")
    assert (sys.path, sys.path_hooks) == (path, hooks)
    assert set(sys.modules) - modules == set()


def test_the_script_can_be_loaded_again_once_it_is_mended(load):
    with pytest.raises(PredictorScriptError, match="features"):
        load(f"import features\nclass Predictor:\n{_PREDICT}")
    assert ask(load(f"import features\nclass Predictor:\n{_PREDICT}", features="ROWS = 1"), [1]) == [1]


def test_objects_of_the_script_can_be_pickled(load):
    predictor = load(f"class Predictor:\n{_PREDICT}", file="my-predictor.v2.py")
    assert type(pickle.loads(pickle.dumps(predictor.scripted.instance))) is type(predictor.scripted.instance)  # noqa: S301


def test_the_traceback_starts_in_the_script(load):
    with pytest.raises(PredictorScriptError, match="KeyError") as caught:
        load(f"import os\nos.environ['NOPE']\nclass Predictor:\n{_PREDICT}")
    cause = caught.value.__cause__
    assert cause is not None
    assert Path(traceback.extract_tb(cause.__traceback__)[0].filename).name == "predictor.py"


def test_main_guards_stay_shut(load):
    assert load(f"class Predictor:\n{_PREDICT}if __name__ == '__main__':\n    1 / 0").class_name == "Predictor"


def test_an_async_predict_is_awaited_on_the_loop(load):
    source = """
        import asyncio
        class Predictor:
            async def predict(self, inputs):
                await asyncio.sleep(0)
                return inputs
    """
    predictor = load(source)
    assert predictor.is_async
    assert ask(predictor, [[1]]) == [[1]]


def test_a_plain_function_around_an_async_one_is_awaited_too(load):
    source = """
        class Predictor:
            def predict(self, inputs): return self.later(inputs)
            async def later(self, inputs): return inputs
    """
    assert ask(load(source), [[1]]) == [[1]]


def test_a_plain_predict_runs_in_one_thread_of_its_own(load):
    source = """
        import threading
        class Predictor:
            def predict(self, inputs): return threading.get_ident()
    """
    predictor = load(source)
    first, second = ask(predictor, [1]), ask(predictor, [1])
    assert first == second != threading.get_ident()


def test_context_variables_reach_predict(load):
    source = """
        import contextvars
        class Predictor:
            def predict(self, inputs):
                return {v.name: value for v, value in contextvars.copy_context().items() if v.name == "who"}
    """
    context = contextvars.copy_context()
    context.run(contextvars.ContextVar[str]("who").set, "me")
    assert context.run(ask, load(source), [1]) == {"who": "me"}


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("body", "cause", "said"),
    [
        ("raise ValueError('no such row')", Cause.PREDICT_ERROR, "ValueError: no such row"),
        ("raise SystemExit(2)", Cause.SCRIPT_EXITED, r"sys\.exit\(2\)"),
        ("import nothere", Cause.PACKAGE_MISSING, "'nothere'"),
        ("next(iter([]))", Cause.PREDICT_ERROR, "StopIteration"),
    ],
)
def test_an_exception_in_predict_is_blamed_on_its_line(load, kind, body, cause, said):
    predictor = load(f"class Predictor:\n    {kind} predict(self, inputs):\n        {body}")
    with pytest.raises(PredictorScriptError, match=said) as caught:
        ask(predictor, [[1]])
    assert (caught.value.cause, caught.value.file, caught.value.line) == (cause, "predictor.py", 3)


def test_an_answer_that_json_cannot_say_is_blamed_on_predict(load):
    predictor = load("class Predictor:\n    def predict(self, inputs): return [1.0, float('nan')]")
    with pytest.raises(PredictorScriptError, match=r"predictions\[1\] is nan") as caught:
        ask(predictor, [[1]])
    assert (caught.value.cause, caught.value.line) == (Cause.PREDICT_ERROR, 2)


def test_a_body_without_inputs_is_the_callers_fault(load):
    with pytest.raises(CallerError, match="neither 'instances' nor 'inputs'"):
        asyncio.run(load(f"class Predictor:\n{_PREDICT}").answer({"rows": 1}))


def test_loading_needs_neither_a_cluster_client_nor_a_model_server(tmp_path):
    (tmp_path / "predictor.py").write_text(f"class Predictor:\n{_PREDICT}")
    code = """
        import sys, pathlib
        from moorage.runtime.loader import load_predictor
        load_predictor(pathlib.Path(sys.argv[1]))
        loaded = {"boto3", "kubernetes", "kserve", "prefect", "uvicorn", "numpy"} & set(sys.modules)
        sys.exit(f"loaded too: {loaded}" if loaded else 0)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "predictor.py")]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""
