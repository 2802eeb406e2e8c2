"""For each rule specifications that break it alone: what is known around them, and what is said of it."""

from moorage.errors import CallerError, NotFound, SecretMissing
from moorage.predictor import Framework, ModelServer
from moorage.script import check_source
from tests.rules.known import EVERY_SERVER, LLM, TENSORFLOW

BROKEN = {
    "5 no such model": ({}, {"framework": None, "model_problem": NotFound("There is no model.")}, "no model"),
    "7 server against framework": (
        {"model_server": "VLLM", "script_file": None},
        TENSORFLOW,
        "VLLM cannot serve a TENSORFLOW model",
    ),
    "8 server against PyTorch": (
        {"model_server": "VLLM"},
        {"framework": Framework.TORCH, "abilities": EVERY_SERVER},
        "VLLM cannot serve a TORCH model",
    ),
    "9 server against a language model": ({"model_server": "PYTHON"}, LLM, "PYTHON cannot serve a LLM model"),
    "11 script for TensorFlow": ({}, TENSORFLOW, "TensorFlow Serving loads"),
    "10 another model server": (
        {},
        {"served_by": ModelServer.VLLM},
        "model_server: a SKLEARN model is served by PYTHON, and deployment 'iris' by VLLM. A deployment keeps",
    ),
    "12 no saved model": (
        {"script_file": None},
        TENSORFLOW | {"model_files": ("model.h5",)},
        "model: its model files have no .pb file and no folder `variables`.",
    ),
    "12 half a saved model": (
        {"script_file": None},
        TENSORFLOW | {"model_files": ("saved_model.pb", "variables")},
        "model: its model files have no folder `variables`.",
    ),
    "17 no configuration for vLLM": (
        {"script_file": None},
        LLM,
        "config_file: there is none. Without a predictor script vLLM is started with",
    ),
    "17 no YAML for vLLM": (
        {"script_file": None, "config_file": "vllm.json"},
        LLM,
        "config_file: 'vllm.json' is no YAML file.",
    ),
    "13 no script": ({"script_file": None}, {}, "no predictor script was given"),
    "13 version 0 brings none": ({"script_file": None, "artifact_version": 0}, {}, "no predictor script"),
    "19 script not there": ({}, {"missing_files": frozenset({"predictor.py"})}, "'predictor.py' is not there"),
    "19 script is a notebook": ({"script_file": "predictor.ipynb"}, {}, "not a Python file"),
    "21 environment": (
        {"environment": "vllm-openai"},
        {},
        (
            "'vllm-openai' is no environment for a Python model server. Their names end in '-inference-pipeline'. "
            "Use pandas-inference-pipeline, or your own clone of minimal-inference-pipeline."
        ),
    ),
    "21 environment of an LLM with a script": (
        {"environment": "vllm-openai"},
        LLM,
        (
            "'vllm-openai' is no environment for VLLM. Their names end in '-inference-pipeline'. "
            "Use vllm-inference-pipeline, or your own clone of it."
        ),
    ),
    "21 environment of an LLM without one": (
        {"environment": "vllm-inference-pipeline", "script_file": None, "config_file": "c.yaml"},
        LLM,
        "'vllm-inference-pipeline' is no environment for VLLM. It runs in vllm-openai. Leave it out.",
    ),
    "21 environment of TensorFlow": (
        {"environment": "vllm-openai", "script_file": None},
        TENSORFLOW,
        "no environment for TENSORFLOW_SERVING. It runs in tensorflow-serving, or in one called …-inference-pipeline.",
    ),
    "L5 rows for an LLM": (
        {"smoke_test": {"requests": [{"inputs": [[1]]}]}},
        LLM,
        "smoke_test.requests[0]: The inputs cannot be sent: they are of type list. Expected a text, or messages",
    ),
    "L5 a stream": (
        {"smoke_test": {"requests": [{"data": {"prompt": "x", "stream": True}}]}},
        LLM,
        "smoke_test.requests[0]: The data asks for a stream.",
    ),
    "L27 what vLLM cannot be started with": (
        {"script_file": None, "config_file": "c.yaml"},
        LLM | {"config_problem": CallerError("c.yaml sets port.", "Moorage itself sees to it.", "Leave it out.")},
        "config_file: c.yaml sets port. Moorage itself sees to it. Leave it out.",
    ),
    "43 a logger": (
        {"inference_logger": "ALL"},
        LLM,
        (
            "inference_logger: it was given for a model that vLLM serves. These three stand before model servers that "
            "predict. Log what you ask, and leave it out."
        ),
    ),
    "43 a batcher": (
        {"inference_batcher": {"enabled": True}},
        LLM,
        "inference_batcher: it was given for a model that vLLM serves.",
    ),
    "34 version 0 with a script": ({"artifact_version": 0}, {}, "reserved for model files alone"),
    "37 artifact version not there": (
        {"artifact_version": 7},
        {"artifact_problem": NotFound("There is no artifact version 7 of model 'iris_classifier' version 1.")},
        "artifact_version: There is no artifact version 7",
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
    "L21 secret not there": (
        {"env_vars": {"A": {"secret": "hub"}}},
        {"secret_problems": {"A": SecretMissing("Secret 'hub' has no key 'A' here.")}},
        "env_vars.A: Secret 'hub' has no key 'A' here.",
    ),
    "L5 nothing to ask": ({"smoke_test": {"requests": [{"inputs": []}]}}, {}, "smoke_test.requests[0]"),
    "L5 expected NaN": (
        {"smoke_test": {"requests": [{"inputs": [[1]], "expect": [float("nan")]}]}},
        {},
        "smoke_test.requests[0].expect[0]: it is the number nan",
    ),
}
