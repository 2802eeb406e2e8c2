"""Specifications and facts in, violations out."""

from dataclasses import replace
from typing import Any

import pytest

from moorage import rules
from moorage.deployment import DeploymentSpec
from moorage.errors import CallerError, InvalidSpec, LogRefused, NotFound, SecretMissing
from moorage.inference_log.record import schema
from moorage.predictor import Framework, ModelServer, ServingTool
from moorage.rules.facts import Facts
from moorage.script import TRANSFORMER, check_source
from moorage.serving.catalog import abilities
from tests.values import a_notebook, a_spec

EVERY_TOOL = abilities()
LOCAL_ONLY = {ServingTool.LOCAL: EVERY_TOOL[ServingTool.LOCAL]}
# As if every tool ran every model server: then only the rule that is meant is broken.
EVERY_SERVER = {tool: replace(able, model_servers=frozenset(ModelServer)) for tool, able in EVERY_TOOL.items()}
SAVED_MODEL = ("saved_model.pb", "variables/variables.index")
TENSORFLOW = {"framework": Framework.TENSORFLOW, "abilities": EVERY_SERVER, "model_files": SAVED_MODEL}
LLM = {"framework": Framework.LLM, "abilities": EVERY_SERVER}


def facts(**changes):
    return Facts(**({"abilities": LOCAL_ONLY, "framework": Framework.SKLEARN} | changes))


def cluster_facts(**changes):
    store = {"store_url": "s3://models", "namespace": "default"}
    return facts(**({"abilities": EVERY_TOOL} | store | changes))


def test_a_sound_specification_breaks_no_rule():
    assert rules.violations(a_spec(), facts()) == []


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


IN_A_CLUSTER = {
    "21 tool cannot run server": (
        {"serving_tool": "KUBERNETES"},
        {"framework": Framework.LLM},
        (
            "model_server: KUBERNETES cannot run VLLM, which serves LLM models. "
            "KUBERNETES runs PYTHON or TENSORFLOW_SERVING."
        ),
    ),
    "43 a transformer": (
        {"transformer": {"script_file": "t.py"}},
        LLM,
        "transformer: it was given for a model that vLLM serves.",
    ),
    "30 options of a batcher on KUBERNETES": (
        {
            "serving_tool": "KUBERNETES",
            "script_file": None,
            "inference_batcher": {"enabled": True, "max_batch_size": 8},
        },
        TENSORFLOW,
        "inference_batcher: options were given for KUBERNETES. It batches or does not, as its defaults say.",
    ),
    "15 no pickle": ({"script_file": None}, {"model_files": ("model.bin",)}, "the model has no pickle to load"),
    "15 two pickles": (
        {"script_file": None},
        {"model_files": ("b.pkl", "a.joblib", "old/c.pkl")},
        "the model has a.joblib, b.pkl to load. Without a script, exactly one",
    ),
    "34 version 0 with further files": (
        {"script_file": None, "artifact_version": 0, "further_files": ["a.csv"]},
        {"model_files": ("model.pkl",)},
        "reserved for model files alone",
    ),
    "L4 port on another tool": ({"local": {"port": 1}}, {}, "They are for LOCAL"),
    "14 no script on KUBERNETES": (
        {"script_file": None, "serving_tool": "DEFAULT"},
        {"model_files": ("model.joblib",)},
        "no predictor script was given. A SKLEARN model on KUBERNETES",
    ),
    "L13 windows where no requests are counted": (
        {"scaling": {"stable_window_seconds": 30, "panic_window_percentage": 5}},
        {},
        "scaling.stable_window_s: stable_window_s and panic_window_percent were given for scaling by CPU",
    ),
    "40 artifact files for TensorFlow": (
        {"serving_tool": "KUBERNETES", "script_file": None, "artifact_version": 2},
        TENSORFLOW,
        "artifact_version: artifact version 2 was asked for with a TENSORFLOW model on KUBERNETES.",
    ),
    "42 no queue chosen": (
        {},
        {"queues": ("cpus", "gpus")},
        "queue: no queue was chosen. Here resources are given out by Kueue, in the queues cpus, gpus.",
    ),
    "30 batching for Python on KUBERNETES": (
        {"serving_tool": "KUBERNETES", "inference_batcher": {"enabled": True}},
        {},
        "inference_batcher: KUBERNETES cannot batch requests for PYTHON. KSERVE or LOCAL can.",
    ),
    "L20 options of a batcher that is not enabled": (
        {"inference_batcher": {"max_batch_size": 8}},
        {},
        "inference_batcher: it has options, and is not enabled.",
    ),
    "26 predictions alone on KUBERNETES": (
        {"serving_tool": "KUBERNETES", "inference_logger": "PREDICTIONS"},
        {},
        "inference_logger.mode: KUBERNETES cannot log PREDICTIONS. It logs ALL; KSERVE or LOCAL can.",
    ),
    "27 a mode without a topic": (
        {"inference_logger": {"mode": "ALL", "kafka_topic": "NONE"}},
        {},
        "inference_logger.kafka_topic: ALL is to be logged, and there is no topic for it.",
    ),
    "27 a topic without a mode": (
        {"inference_logger": {"mode": "NONE", "kafka_topic": {"name": "events"}}},
        {},
        "inference_logger.mode: topic 'events' was given, and nothing is logged.",
    ),
    "28 no such topic": (
        {"inference_logger": {"kafka_topic": "events"}},
        {"topic_is_there": False},
        "inference_logger.kafka_topic.name: there is no topic 'events'.",
    ),
    "28 a topic for something else": (
        {"inference_logger": {"kafka_topic": "orders"}},
        {"topic_is_there": True, "topic_schema": {"type": "record", "name": "order"}},
        "topic 'orders' is for something else: its schema is 'order', not 'inferenceschema'.",
    ),
    "28 a topic of the other version": (
        {"inference_logger": {"kafka_topic": "events"}, "serving_tool": "KUBERNETES"},
        {"topic_is_there": True, "topic_schema": schema(4)},
        "its schema 'inferenceschema' has version 4, not 3.",
    ),
    "29 a topic of no partitions": (
        {"inference_logger": {"kafka_topic": {"num_partitions": 0, "num_replicas": -1}}},
        {},
        "inference_logger.kafka_topic.partitions: 0 partitions were asked for.",
    ),
    "L24 no broker": (
        {"inference_logger": "ALL"},
        {"log_problem": LogRefused("No Kafka broker is named.", "", "Set MOORAGE_KAFKA.")},
        "inference_logger: No Kafka broker is named. Set MOORAGE_KAFKA.",
    ),
    "L25 partitions of a topic that is there": (
        {"inference_logger": {"kafka_topic": {"name": "events", "partitions": 3}}},
        {"topic_is_there": True},
        "inference_logger.kafka_topic.partitions: 3 partitions were given for topic 'events'.",
    ),
    "31 gRPC on KUBERNETES": (
        {"serving_tool": "KUBERNETES", "api_protocol": "GRPC"},
        {},
        "api_protocol: KUBERNETES does not speak gRPC for PYTHON.",
    ),
    "L26 gRPC with a transformer": (
        {"api_protocol": "GRPC", "transformer": {"script_file": "t.py"}},
        {},
        "api_protocol: GRPC was asked for with a transformer.",
    ),
    "L26 gRPC in Knative mode": (
        {"api_protocol": "GRPC", "resources": {"instances": 0}},
        {},
        "api_protocol: GRPC was asked for, and scaling by requests or to zero.",
    ),
    "22 a transformer on KUBERNETES": (
        {"serving_tool": "KUBERNETES", "transformer": {"script_file": "t.py"}},
        {},
        "transformer: a transformer was given for KUBERNETES. Only KSERVE runs one",
    ),
    "23 a transformer without a script": ({"transformer": {}}, {}, "no transformer script was given"),
    "23 a script without a transformer": (
        {"artifact_version": 2},
        {"has_transformer": True},
        "artifact version 2 has a transformer script, and no transformer was given",
    ),
    "19 transformer is neither script nor notebook": (
        {"transformer": {"script_file": "t.json"}},
        {},
        "transformer.script_file: 't.json' is neither a Python file nor a notebook. Its name ends in .py or .ipynb",
    ),
    "19 transformer notebook not there": (
        {"transformer": {"script_file": "t.ipynb"}},
        {"missing_files": frozenset({"t.ipynb"})},
        "transformer.script_file: 't.ipynb' is not there",
    ),
    "L1 transformer class missing": (
        {"transformer": {"script_file": "t.py"}},
        {"transformer_problem": check_source("x = 1", "t.py", TRANSFORMER)},
        "transformer.script_file: t.py has no class Transformer",
    ),
    "L1 transformer is no notebook": (
        {"transformer": {"script_file": "t.ipynb"}},
        {"transformer_problem": check_source("class Transformer: ...", "t.ipynb", TRANSFORMER)},
        "transformer.script_file: t.ipynb is no Jupyter notebook: it is no JSON",
    ),
    "L1 transformer notebook is no Python": (
        {"transformer": {"script_file": "t.ipynb"}},
        {"transformer_problem": check_source(a_notebook("files = !ls"), "t.ipynb", TRANSFORMER)},
        "transformer.script_file: t.ipynb:2: SyntaxError: invalid syntax: `files = !ls`. Expected t.ipynb to be",
    ),
    "L2 both scripts of one name": ({"transformer": {"script_file": "b/predictor.py"}}, {}, "as the script is"),
    "L3 a variable of the transformer": (
        {"transformer": {"script_file": "t.py", "env_vars": {"MODEL_NAME": "x"}}},
        {},
        "transformer.env_vars: MODEL_NAME is set by Moorage",
    ),
    "L13 scaling of the transformer": (
        {"transformer": {"script_file": "t.py", "scaling": {"min_instances": 3, "max_instances": 2}}},
        {},
        "transformer.scaling.max_instances: at most 2 and at least 3",
    ),
    "L22 only the transformer by requests": (
        {"transformer": {"script_file": "t.py", "scaling": {"metric": "RPS"}}},
        {},
        "the transformer scales by requests or to zero, and the predictor does not",
    ),
    "L22 the transformer by CPU": (
        {"scaling": {"metric": "RPS"}, "transformer": {"script_file": "t.py", "scaling": {}}},
        {},
        "transformer.scaling.metric: the transformer scales by CPU",
    ),
    "L23 a share of two": (
        {
            "scaling": {"metric": "RPS"},
            "transformer": {"script_file": "t.py"},
            "rollout": {"canary_percent": 5},
        },
        {},
        "a share of the requests was asked for, and a transformer was given",
    ),
    "24 to zero by instances": (
        {"serving_tool": "KUBERNETES", "resources": {"instances": 0}},
        {},
        "resources.instances: 0 instances were asked for on KUBERNETES. Only KSERVE scales to zero",
    ),
    "24 to zero by scaling": (
        {"serving_tool": "KUBERNETES", "scaling": {"min_instances": 0}},
        {},
        "scaling.min_instances: 0 instances",
    ),
    "L9 resources for LOCAL": ({"serving_tool": "LOCAL", "resources": {"instances": 2}}, {}, "resources was given for"),
    "L9 scaling for LOCAL": ({"serving_tool": "LOCAL", "scaling": {}}, {}, "scaling was given for LOCAL"),
    "L9 queue for LOCAL": ({"serving_tool": "LOCAL", "queue": "gpus"}, {}, "queue was given for LOCAL"),
    "L9 placement for LOCAL": (
        {"serving_tool": "LOCAL", "placement": {"node_selector": {"zone": "a"}}},
        {},
        "placement was given for LOCAL",
    ),
    "L10 store on this machine": (
        {},
        {"store_url": "file:///store"},
        "which no pod can read",
    ),
    "L11 first a digit": ({"name": "2iris"}, {}, "'2iris' begins with a digit"),
    "L11 long": ({"name": "a" * 49}, {"namespace": ""}, "it has 49 letters. KSERVE takes 48"),
    "L11 long with its namespace": ({"name": "a" * 46}, {}, "with its namespace 'default' it has 53 letters"),
    "L19 limit of GPUs": (
        {"resources": {"requests": {"gpus": 1}, "limits": {"gpus": 2}}},
        {},
        "resources.limits.gpus: the limit 2 is not the request 1",
    ),
    "L12 shared memory": (
        {"resources": {"shared_memory_mb": 1025}},
        {},
        "1025 MB are more than the memory limit",
    ),
    "L13 most under least": ({"scaling": {"min_instances": 3, "max_instances": 2}}, {}, "at most 2 and at least 3"),
    "L13 instances beside scaling": (
        {"scaling": {"min_instances": 2, "max_instances": 4}, "resources": {"instances": 3}},
        {},
        "3 instances were asked for, and scaling from 2",
    ),
    "L13 requests on KUBERNETES": (
        {"serving_tool": "KUBERNETES", "scaling": {"metric": "RPS"}},
        {},
        "RPS cannot be measured on KUBERNETES",
    ),
    "L13 from zero by CPU": ({"scaling": {"min_instances": 0}}, {}, "no instance is started by CPU"),
    "L13 retention of what stays": ({"scaling": {"retention_s": 30}}, {}, "there is no last one to keep"),
    "L14 requests too large": (
        {"smoke_test": {"requests": [{"inputs": [["x" * 100_000]]}]}},
        {},
        "together they have 97 KiB. A pod is handed 96 KiB at most",
    ),
    "L15 limit under request": (
        {"resources": {"requests": {"cores": 2}, "limits": {"cores": 1}}},
        {},
        "resources.limits.cores: the limit 1 is under the request 2",
    ),
    "L16 no limit on KSERVE": (
        {"resources": {"limits": {"cores": -1}}},
        {},
        "resources.limits.cores: no limit was asked for on KSERVE",
    ),
    "L17 a variable that KServe refuses": ({"env_vars": {"PYTHONPATH": "/x"}}, {}, "PYTHONPATH was given on KSERVE"),
    "L18 a share in Standard mode": (
        {"rollout": {"canary_percent": 20}},
        {},
        "rollout.canary_percent: a share of 20 % was asked for in Standard mode",
    ),
    "L18 a share on KUBERNETES": (
        {"serving_tool": "KUBERNETES", "rollout": {"canary_percent": 1}},
        {},
        "a share of 1 % was asked for in KUBERNETES",
    ),
    "L18 a share on LOCAL": (
        {"serving_tool": "LOCAL", "rollout": {"canary_percent": 1}},
        {},
        "a share of 1 % was asked for in LOCAL",
    ),
    "L15 memory": (
        {"resources": {"requests": {"memory_mb": 2048}, "limits": {"memory_mb": 1024}}},
        {},
        "resources.limits.memory_mb: the limit 1024 is under the request 2048",
    ),
}


@pytest.mark.parametrize(("spec", "known", "message"), IN_A_CLUSTER.values(), ids=IN_A_CLUSTER.keys())
def test_a_rule_of_clusters_says_what_was_found_and_expected(spec, known, message):
    found = rules.violations(a_spec(**({"serving_tool": "KSERVE"} | spec)), cluster_facts(**known))
    assert message in "\n".join(map(str, found))


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


@pytest.mark.parametrize(("spec", "known"), JUST_PASS.values(), ids=JUST_PASS.keys())
def test_what_just_passes_a_rule_breaks_none(spec, known):
    assert rules.violations(a_spec(**({"serving_tool": "KSERVE"} | spec)), cluster_facts(**known)) == []


def test_a_queue_is_chosen_or_filled_in():
    assert rules.violations(a_spec(serving_tool="KSERVE", queue="gpus"), cluster_facts(queues=("gpus",))) == []
    assert rules.violations(a_spec(serving_tool="KSERVE"), cluster_facts(queues=("default", "gpus"))) == []


@pytest.mark.parametrize("spec", SOUND_IN_A_CLUSTER.values(), ids=SOUND_IN_A_CLUSTER.keys())
def test_what_kserve_can_do_breaks_no_rule(spec):
    found = rules.violations(a_spec(**({"serving_tool": "KSERVE"} | spec)), cluster_facts(model_files=("model.pkl",)))
    assert found == []


def table_of(breaches: Any) -> list[tuple[str, tuple[dict[str, Any], dict[str, Any], str]]]:
    """Its lines, each with a specification of its own."""
    return [(name, (dict(spec), dict(known), said)) for name, (spec, known, said) in breaches.items()]


EVERY_BREACH: dict[str, tuple[DeploymentSpec, Facts]] = {
    **{name: (a_spec(**spec), facts(**known)) for name, (spec, known, _) in table_of(BROKEN)},
    **{
        name: (a_spec(serving_tool=spec.pop("serving_tool", "KSERVE"), **spec), cluster_facts(**known))
        for name, (spec, known, _) in table_of(IN_A_CLUSTER)
    },
}
