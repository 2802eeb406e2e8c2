"""What KServe's own definition of an InferenceService says of the fields that a predictor of ours may have.

    python tests/serving/kserve/schemas/extract.py serving.kserve.io_inferenceservices.yaml > 0.20.json

The file is `config/crd/full/serving.kserve.io_inferenceservices.yaml` of
https://github.com/kserve/kserve at a version's tag. Model servers' shortcuts, workers of several nodes and texts are
left out: they are nine tenths of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

_SHORTCUTS: Final = frozenset(
    {"huggingface", "lightgbm", "onnx", "paddle", "pmml", "pytorch", "sklearn", "tensorflow", "triton", "xgboost"}
)
_LEFT_OUT: Final = _SHORTCUTS | {"workerSpec", "affinity", "topologySpreadConstraints"}


def extract(definition: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of metadata-free InferenceServices: an object with `spec.predictor`."""
    version = next(each for each in definition["spec"]["versions"] if each["name"] == "v1beta1")
    predictor = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["predictor"]
    kept = {name: _bare(field) for name, field in predictor["properties"].items() if name not in _LEFT_OUT}
    return {"type": "object", "properties": kept}


def _bare(schema: Any) -> Any:
    """A schema without texts and defaults; what it does not name is no field."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    texts = {
        name for name, value in schema.items() if name in ("description", "default") and not isinstance(value, dict)
    }
    return {name: _bare(value) for name, value in schema.items() if name not in texts}


if __name__ == "__main__":
    found = yaml.safe_load(Path(sys.argv[1]).read_text())
    print(json.dumps(extract(found), separators=(",", ":"), sort_keys=True))
