"""Specifications and facts in, violations out."""

import pytest

from moorage import rules
from moorage.errors import CallerError, InvalidSpec, NotFound
from moorage.predictor import Framework, ModelServer, ServingTool
from moorage.rules import Facts
from moorage.script import check_source
from tests.values import a_spec

LOCAL_ONLY = {ServingTool.LOCAL: frozenset({ModelServer.PYTHON})}


def facts(**changes):
    return Facts(**({"abilities": LOCAL_ONLY, "framework": Framework.SKLEARN} | changes))


def test_a_sound_specification_breaks_no_rule():
    assert rules.violations(a_spec(), facts()) == []


BROKEN = {
    "5 no such model": ({}, {"framework": None, "model_problem": NotFound("There is no model.")}, "no model"),
    "7 server against framework": ({"model_server": "VLLM"}, {}, "VLLM cannot serve a SKLEARN model"),
    "11 script for TensorFlow": ({}, {"framework": Framework.TENSORFLOW}, "TensorFlow Serving loads"),
    "13 no script": ({"script_file": None}, {}, "no predictor script was given"),
    "13 version 0 brings none": ({"script_file": None, "artifact_version": 0}, {}, "no predictor script"),
    "19 script not there": ({}, {"missing_files": frozenset({"predictor.py"})}, "'predictor.py' is not there"),
    "19 script is a notebook": ({"script_file": "predictor.ipynb"}, {}, "not a Python file"),
    "21 tool cannot run server": ({"script_file": None}, {"framework": Framework.LLM}, "LOCAL cannot run VLLM"),
    "21 environment": ({"environment": "vllm-openai"}, {}, "'vllm-openai' is no environment"),
    "34 version 0 with a script": ({"artifact_version": 0}, {}, "reserved for model files alone"),
    "34 version 0 with further files": (
        {"script_file": None, "artifact_version": 0, "further_files": ["a.csv"]},
        {},
        "reserved for model files alone",
    ),
    "41 tool not available": ({"serving_tool": "KSERVE"}, {}, "KSERVE is not available. Available: LOCAL"),
    "41 alias of a tool": ({"serving_tool": "DEFAULT"}, {}, "KUBERNETES is not available"),
    "L1 class missing": ({}, {"script_problem": check_source("x = 1", "predictor.py")}, "has no class Predictor"),
    "L7 module beside it": (
        {},
        {"undelivered": {"predictor.py": ("features",)}},
        "predictor.py imports 'features', which lies beside it but would not be delivered",
    ),
    "L7 two modules": ({}, {"undelivered": {"predictor.py": ("a", "b")}}, "imports 'a' and 'b', which lie beside it"),
    "L7 module of a module": (
        {},
        {"undelivered": {"features.py": ("text",)}},
        "features.py imports 'text', which lies beside it",
    ),
    "L8 further file not there": (
        {"further_files": ["nowhere.csv"]},
        {"further_problem": CallerError("Further files cannot be delivered: 'nowhere.csv' is not there.")},
        "further_files: Further files cannot be delivered: 'nowhere.csv' is not there.",
    ),
    "L2 one name but for case": ({"config_file": "conf/Predictor.py"}, {}, "it is called 'Predictor.py', as the"),
    "L2 one name twice": ({"config_file": "conf/predictor.py"}, {}, "as the script is"),
    "L3 built-in variable": ({"env_vars": {"MODEL_NAME": "x"}}, {}, "MODEL_NAME is set by Moorage"),
    "L3 reserved prefix": ({"env_vars": {"MOORAGE_HOME": "x"}}, {}, "MOORAGE_HOME is set by Moorage"),
    "L4 port on another tool": ({"serving_tool": "KSERVE", "local": {"port": 1}}, {}, "They are for LOCAL"),
    "L5 nothing to ask": ({"smoke_test": {"requests": [{"inputs": []}]}}, {}, "smoke_test.requests[0]"),
    "L5 expected NaN": (
        {"smoke_test": {"requests": [{"inputs": [[1]], "expect": [float("nan")]}]}},
        {},
        "smoke_test.requests[0].expect[0]: it is the number nan",
    ),
}


@pytest.mark.parametrize(("spec", "known", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_says_what_was_found_and_expected(spec, known, message):
    found = rules.violations(a_spec(**spec), facts(**known))
    assert message in "\n".join(map(str, found))


def test_an_artifact_version_brings_its_script_along():
    assert rules.violations(a_spec(script_file=None, artifact_version=3), facts()) == []


def test_all_violations_are_reported_together():
    spec = a_spec(serving_tool="KSERVE", environment="mine", env_vars={"MODEL_NAME": "x"}, script_file="a.txt")
    with pytest.raises(InvalidSpec, match="breaks 4 rules") as error:
        rules.check(spec, facts())
    assert [violation.field for violation in error.value.violations] == [
        "serving_tool",
        "script_file",
        "environment",
        "env_vars",
    ]
