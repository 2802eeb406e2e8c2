"""As in `broken`, of rules that only a cluster has; KSERVE, where nothing else is said."""

from moorage.errors import LogRefused
from moorage.inference_log.record import schema
from moorage.predictor import Framework
from moorage.script import TRANSFORMER, check_source
from tests.rules.known import LLM, TENSORFLOW
from tests.values import a_notebook

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
