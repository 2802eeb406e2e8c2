"""The JSON Schema of a declared model deployment, for editors: https://json-schema.org/draft/2020-12 (pure)."""

from __future__ import annotations

from typing import Any, Final

from moorage.deployment import DeploymentSpec
from moorage.predictor import EnvVar

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def yaml_schema() -> dict[str, Any]:
    """What the YAML file of a deployment may hold: the specification, and variables as people write them."""
    schema = DeploymentSpec.model_json_schema()
    listed = schema["properties"]["env_vars"]
    shown = {key: listed.pop(key) for key in ("title", "description", "default") if key in listed}
    kept = {name: EnvVar.model_json_schema()["properties"][name] for name in ("secret", "key")}
    secret = {"type": "object", "properties": kept, "required": ["secret"], "additionalProperties": False}
    mapping = {"type": "object", "additionalProperties": {"anyOf": [{"type": ["string", "number"]}, secret]}}
    schema["properties"]["env_vars"] = {**shown, "anyOf": [listed, mapping]}
    return {"$schema": _DIALECT, **schema, "title": "Moorage model deployment"}
