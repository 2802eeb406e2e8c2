"""What just passes each rule, by its number; and more that KSERVE can do."""

from typing import Any

from moorage.inference_log.record import schema
from moorage.predictor import Framework, ModelServer
from moorage.script import TRANSFORMER, check_source
from tests.rules.known import LLM, TENSORFLOW
from tests.values import a_notebook

SOUND_IN_A_CLUSTER = {
    "windows of one's own": {"scaling": {"metric": "RPS", "stable_window_s": 6, "panic_threshold_percent": 110}},
    "a batcher": {"inference_batcher": {"enabled": True, "max_batch_size": 8, "max_latency": 20, "timeout": 5}},
    "a GPU": {"resources": {"requests": {"gpus": 1, "memory_mb": 4096}}},
    "no limits on KUBERNETES": {
        "serving_tool": "KUBERNETES",
        "resources": {"requests": {"cores": 8}, "limits": {"cores": -1, "memory_mb": -1}},
    },
    "to zero": {"resources": {"instances": 0}},
    "to zero after a while": {"scaling": {"min_instances": 0, "metric": "CONCURRENCY", "retention_s": 300}},
    "as long a name as can be": {"name": "a" * 45},
    "a share beside what scales to zero": {"resources": {"instances": 0}, "rollout": {"canary_percent": 99}},
    "a share beside what scales by requests": {"scaling": {"metric": "RPS"}, "rollout": {"canary_percent": 1}},
    "scikit-learn without a script": {"script_file": None},
}


ONE_PICKLE = {"model_files": ("model.pkl",)}
NOT_DEFAULT = {"serving_tool": "KUBERNETES"}
JUST_PASS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "5": ({"model": {"name": "m", "version": 1}}, {}),
    "7": ({"model_server": "TENSORFLOW_SERVING", "script_file": None}, TENSORFLOW),
    "8": ({"model_server": "PYTHON"}, {"framework": Framework.TORCH}),
    "9": ({"model_server": "VLLM"}, LLM),
    "10": ({}, {"served_by": ModelServer.PYTHON}),
    "11": ({"script_file": None}, TENSORFLOW),
    "12": ({"script_file": None}, TENSORFLOW | {"model_files": ("a.pb", "variables/x")}),
    "13": ({}, {"framework": Framework.PYTHON}),
    "14": (NOT_DEFAULT, {}),
    "15": ({"script_file": None}, ONE_PICKLE),
    "17": ({"script_file": None, "config_file": "c.yml"}, LLM),
    "17 a script": ({"config_file": "c.json"}, LLM),
    "17 a script of before": ({"script_file": None, "artifact_version": 3}, LLM),
    "19": ({"script_file": "deep/down/my-predictor.v2.py"}, {"missing_files": frozenset({"other.py"})}),
    "19 transformer is a notebook": ({"transformer": {"script_file": "t.ipynb"}}, {}),
    "21": ({"environment": "a-inference-pipeline"}, {}),
    "21 vLLM": ({"environment": "vllm-openai", "script_file": None, "config_file": "c.yaml"}, LLM),
    "21 vLLM with what there was": ({"environment": "vllm-openai", "script_file": None, "artifact_version": 3}, LLM),
    "21 vLLM with a script of before": (
        {"environment": "vllm-inference-pipeline", "script_file": None, "artifact_version": 3},
        LLM,
    ),
    "21 vLLM with a script": ({"environment": "my-vllm-inference-pipeline"}, LLM),
    "21 TensorFlow": ({"environment": "tensorflow-inference-pipeline", "script_file": None}, TENSORFLOW),
    "43": ({"inference_logger": "NONE", "inference_batcher": {"enabled": False}}, LLM),
    "L27": ({"script_file": None, "config_file": "c.yaml"}, LLM),
    "22": ({"transformer": {"script_file": "t.py"}}, {}),
    "23": ({"transformer": {}, "artifact_version": 2}, {"has_transformer": True}),
    "L22": ({"resources": {"instances": 0}, "transformer": {"script_file": "t.py", "scaling": {"metric": "RPS"}}}, {}),
    "L23": ({"resources": {"instances": 0}, "rollout": {"canary_percent": 5}}, {}),
    "24": ({"serving_tool": "KUBERNETES", "resources": {"instances": 1}}, {}),
    "30": ({"inference_batcher": {"enabled": True}}, {}),
    "30 TensorFlow": (NOT_DEFAULT | {"script_file": None, "inference_batcher": {"enabled": True}}, TENSORFLOW),
    "34": ({"script_file": None, "artifact_version": 0}, ONE_PICKLE),
    "37": ({"artifact_version": 7}, {}),
    "40": (NOT_DEFAULT | {"script_file": None, "artifact_version": 0}, TENSORFLOW),
    "41": ({}, {}),
    "42": ({"queue": "gpus"}, {"queues": ("gpus",)}),
    "L1": ({}, {"script_problem": check_source("class Predictor:\n    predict = print", "predictor.py")}),
    "L1 transformer is a notebook": (
        {"transformer": {"script_file": "t.ipynb"}},
        {
            "transformer_problem": check_source(
                a_notebook("%load_ext x", "class Transformer:\n    preprocess = print"), "t.ipynb", TRANSFORMER
            )
        },
    ),
    "L2": ({"config_file": "predictor.yaml"}, {}),
    "L3": ({"env_vars": {"MOORAGE": "x", "MODEL_NAMES": "y"}}, {}),
    "L4": ({"serving_tool": "LOCAL", "local": {"port": 1}}, {}),
    "L5": ({"smoke_test": {"requests": [{"inputs": [[2**64 - 1, -(2**63), "é", None]]}]}}, {}),
    "L7": ({}, {"undelivered": {}}),
    "L8": ({"further_files": ["a.csv"]}, {}),
    "L9": ({"serving_tool": "LOCAL", "resources": {}}, {}),
    "L10": ({"serving_tool": "LOCAL"}, {"store_url": "file:///store"}),
    "L11": ({"name": "a" * 45}, {}),
    "L12": ({"resources": {"shared_memory_mb": 1024}}, {}),
    "L13": ({"scaling": {"min_instances": 2, "max_instances": 2}, "resources": {"instances": 2}}, {}),
    "L14": ({"smoke_test": {"requests": [{"inputs": ["x" * 90_000]}]}}, {}),
    "L15": ({"resources": {"requests": {"cores": 3}, "limits": {"cores": 3}}}, {}),
    "L16": (NOT_DEFAULT | {"resources": {"limits": {"cores": -1}}}, {}),
    "L17": (NOT_DEFAULT | {"env_vars": {"PYTHONPATH": "/x"}}, {}),
    "L18": ({"scaling": {"metric": "RPS"}, "rollout": {"canary_percent": 1}}, {}),
    "L19": ({"resources": {"requests": {"gpus": 2}, "limits": {"gpus": 2}}}, {}),
    "L20": ({"inference_batcher": {"enabled": True, "max_batch_size": 8}}, {}),
    "L21": ({"env_vars": {"A": {"secret": "hub"}}}, {}),
    "L24": ({"inference_logger": "NONE"}, {}),
    "31": ({"api_protocol": "grpc", "serving_tool": "KSERVE"}, {}),
    "L26": ({"api_protocol": "REST", "resources": {"instances": 0}, "serving_tool": "KSERVE"}, {}),
    "L25": ({"inference_logger": {"kafka_topic": "events"}}, {"topic_is_there": True}),
    "26": ({"inference_logger": "ALL", "serving_tool": "KUBERNETES"}, {}),
    "26 each half on KSERVE": ({"inference_logger": "predictions"}, {}),
    "27": ({"inference_logger": {"mode": "NONE", "kafka_topic": "NONE"}}, {}),
    "28": ({"inference_logger": {"kafka_topic": "events"}}, {"topic_is_there": True, "topic_schema": schema(4)}),
    "28 without a schema": ({"inference_logger": {"kafka_topic": "events"}}, {"topic_is_there": True}),
    "29": ({"inference_logger": {"kafka_topic": {"partitions": 1, "replicas": 1}}}, {}),
}
