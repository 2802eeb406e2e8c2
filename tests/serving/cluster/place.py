"""A place in a cluster and a revision for it; each test says only what matters to it."""

import json
from typing import Any

from moorage.deployment import Revision
from moorage.predictor import ServingTool
from moorage.serving.cluster.marks import Place
from tests.values import a_revision

PLACE = Place(
    namespace="team",
    project="default",
    store_url="s3://models/team",
    service_account="moorage-predictor",
    store_secret="moorage-store",
)


def a_cluster_revision(number: int = 1, **changes: Any) -> Revision:
    values = {"serving_tool": ServingTool.KUBERNETES, "image": "registry.test/pandas-inference-pipeline:1"}
    return a_revision(number, **(values | changes))


def read_again(revision: Revision) -> Revision:
    """The same revision as JSON leaves it."""
    return Revision.model_validate_json(revision.model_dump_json())


def bytes_of(thing: Any) -> bytes:
    """What is sent to the API server: keys keep their order in it."""
    return json.dumps(thing, ensure_ascii=False).encode()


# Every option that a cluster knows, and texts that Kubernetes, JSON or a shell would read something into.
EVERYTHING: dict[str, Any] = {
    "deployment": "IrisV2",
    "artifact": {
        "version": 3,
        "digest": "sha256:bb",
        "script_file": "predictor.py",
        "config_file": "conf.yaml",
    },
    "env_vars": [{"name": "GREETING", "value": 'Grüße, "$(HOME)"\n$$'}, {"name": "EMPTY", "value": ""}],
    "resources": {
        "instances": 2,
        "requests": {"cores": 0.5, "memory_mb": 512, "gpus": 1},
        "limits": {"cores": 4, "memory_mb": -1},
        "shared_memory_mb": 256,
    },
    "scaling": {"min_instances": 2, "max_instances": 8, "metric": "MEMORY", "target": 60},
    "queue": "gpu-queue",
    "placement": {
        "node_selector": {"zone": "b", "accelerator": "a100"},
        "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}, {"key": "team", "value": "ml"}],
    },
    "smoke_requests": [
        {"inputs": [[5.1, 3, 1e-9]], "expect": [0]},
        {"data": {"instances": ["$5", None, True], "a": 1}, "tolerance": 0.5},
    ],
    "smoke_timeout_s": 60,
}
