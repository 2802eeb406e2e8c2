"""Reads a declared model deployment from its YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from moorage.deployment import DeploymentSpec
from moorage.errors import InvalidSpec, NotFound, Violation


def read_specification(path: Path) -> DeploymentSpec:
    """The specification in a YAML file; paths in it count from the file's own folder.

    Raises:
        NotFound: there is no such file.
        InvalidSpec: it is no YAML, or holds what no specification may; every violation is listed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        raise NotFound(f"The specification {str(path)!r} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise InvalidSpec(path.name, [Violation("L6", "file", f"it is not UTF-8: {exc}.", "")]) from exc
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise InvalidSpec(path.name, [Violation("L6", "file", f"it is not YAML: {exc}.", "")]) from exc
    if not isinstance(plain, dict):
        found = f"it holds {'nothing' if plain is None else type(plain).__name__}."
        raise InvalidSpec(path.name, [Violation("L6", "file", found, "A mapping, as `name: …`, is expected.")])
    for field in ("script_file", "config_file"):
        if isinstance(plain.get(field), str):
            plain[field] = str(path.parent / plain[field])
    return parse_specification(plain, path.name)


def parse_specification(plain: dict[str, Any], name: str) -> DeploymentSpec:
    """The specification in plain values; raises InvalidSpec with every violation."""
    try:
        return DeploymentSpec.model_validate(plain)
    except ValidationError as exc:
        violations = [
            Violation("L6", ".".join(map(str, error["loc"])) or "specification", f"{error['msg']}.", _found(error))
            for error in exc.errors()
        ]
        raise InvalidSpec(str(plain.get("name", name)), violations) from exc


def _found(error: Any) -> str:
    if error["loc"] and error["loc"][0] == "env_vars" and error["loc"][-1] != "name":
        return ""  # what people keep in environment variables is not for logs
    if error["type"] == "extra_forbidden":
        return f"Known are: {', '.join(DeploymentSpec.model_fields)}." if len(error["loc"]) == 1 else ""
    return "" if error["type"] == "missing" else f"Found: {error['input']!r}."
