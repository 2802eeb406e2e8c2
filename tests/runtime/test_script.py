from __future__ import annotations

import pytest

from moorage.script import VLLM_PREDICTOR, check_source
from moorage.startup import Cause


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("class Predictor:\n    def predict(self, x): ...", id="Predictor"),
        pytest.param("class Predict:\n    async def predict(self, x): ...", id="Predict"),
        pytest.param("from elsewhere import Predictor", id="imported"),
        pytest.param("from elsewhere import Model as Predictor", id="imported under that name"),
        pytest.param("from elsewhere import *", id="perhaps in a star import"),
        pytest.param("Predictor = make()", id="assigned"),
        pytest.param("Predictor: type = make()", id="assigned with a type"),
        pytest.param("if True:\n    Predictor = make()", id="in a condition"),
        pytest.param("try:\n    import a\nexcept ImportError:\n    Predictor = 1", id="in a handler"),
        pytest.param("class Predictor(Base): ...", id="may inherit predict"),
        pytest.param("@served\nclass Predictor: ...", id="may be decorated with predict"),
        pytest.param("class Predictor:\n    predict = other", id="assigned method"),
        pytest.param(b"# coding: latin-1\nclass Predict:\n    def predict(self, x): return '\xe9'", id="bytes"),
    ],
)
def test_scripts_that_may_serve_pass(source):
    assert check_source(source, "predictor.py") is None


@pytest.mark.parametrize(
    ("source", "cause", "line", "said"),
    [
        pytest.param("a = 1\ndef f(:", Cause.SYNTAX_ERROR, 2, "`def f(:`", id="syntax"),
        pytest.param("x = 1\x00", Cause.SYNTAX_ERROR, None, "null bytes", id="null bytes"),
        pytest.param("", Cause.CLASS_MISSING, None, "no class at all", id="empty"),
        pytest.param("class Model: ...\nclass Other: ...", Cause.CLASS_MISSING, None, "only Model, Other", id="others"),
        pytest.param("def f():\n    class Predictor: ...", Cause.CLASS_MISSING, None, "no class at all", id="hidden"),
        pytest.param("\nclass Predictor:\n    def run(): ...", Cause.METHOD_MISSING, 2, "no method", id="method"),
    ],
)
def test_scripts_that_cannot_serve_are_found_out_unrun(source, cause, line, said):
    problem = check_source(source, "predictor.py")
    assert problem is not None
    assert (problem.cause, problem.line) == (cause, line)
    assert said in problem.message


@pytest.mark.parametrize(
    "source",
    [
        "class Predictor:\n    def __init__(self):\n        self.vllm_engine = engine()",
        "from mine import Engine\nclass Predictor(Engine): ...",
        "from mine import Predictor",
    ],
)
def test_a_script_that_may_have_an_engine_passes(source):
    assert check_source(source, "predictor.py", VLLM_PREDICTOR) is None


def test_a_script_without_an_engine_is_found_out_unrun():
    problem = check_source("class Predictor:\n    def predict(self, x): ...", "predictor.py", VLLM_PREDICTOR)
    assert problem is not None
    assert "Predictor() has no vllm_engine." in problem.message
    assert "Expected its __init__ to set self.vllm_engine, which answers requests." in problem.expected
    problem = check_source("class Model: ...", "predictor.py", VLLM_PREDICTOR)
    assert problem is not None
    assert "a class named Predictor whose __init__ sets self.vllm_engine" in problem.expected


def test_predictor_is_looked_at_when_both_classes_are_there():
    source = "class Predict:\n    def predict(self, x): ...\nclass Predictor: ..."
    problem = check_source(source, "predictor.py")
    assert problem is not None
    assert "Class Predictor has no method" in problem.message
