"""The JSON Schema of a declared model deployment, for editors: https://json-schema.org/draft/2020-12 (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, get_args

from moorage.deployment import DeploymentSpec
from moorage.noun import Noun
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
    for noun in dict.fromkeys(_nouns_in(DeploymentSpec)):
        if noun.alone:
            whole = schema["$defs"][noun.__name__]
            schema["$defs"][noun.__name__] = {"anyOf": [whole, whole["properties"][noun.alone]]}
    return {"$schema": _DIALECT, **schema, "title": "Moorage model deployment"}


def as_tables() -> str:
    """All options of a specification in Markdown: a table of its fields, and one of each noun that a field holds."""
    nouns = list(dict.fromkeys(_nouns_in(DeploymentSpec)))
    return "\n\n".join(f"## {_heading(noun)}\n\n{_table(noun)}" for noun in nouns)


def _nouns_in(noun: type[Noun]) -> Iterator[type[Noun]]:
    yield noun
    for field in noun.model_fields.values():
        for held in _held(field.annotation):
            yield from _nouns_in(held)


def _held(annotation: Any) -> Iterator[type[Noun]]:
    if isinstance(annotation, type) and issubclass(annotation, Noun):
        yield annotation
    for part in get_args(annotation):
        yield from _held(part)


def _heading(noun: type[Noun]) -> str:
    return "A model deployment" if noun is DeploymentSpec else noun.__name__


def _table(noun: type[Noun]) -> str:
    schema = noun.model_json_schema()
    fields = schema["properties"]
    meant = {name: other for other, name in noun.spellings.items()}
    lines = [(noun.__doc__ or "").partition("\n")[0], "", "| field | | by default | |", "| --- | --- | --- | --- |"]
    for name, field in noun.model_fields.items():
        shown = fields[name]
        also = f" (or `{meant[name]}`)" if name in meant else ""
        said = " ".join(part for part in (shown.get("description", ""), _links(field.annotation)) if part)
        # what a mapping is by default, its own table says
        has_default = name not in schema.get("required", ()) and not isinstance(shown.get("default"), dict)
        default = f"`{_plain(shown.get('default'))}`" if has_default else ""
        lines.append(f"| `{name}`{also} | {_type_of(shown, schema)} | {default} | {said} |")
    return "\n".join(lines)


def _links(annotation: Any) -> str:
    return " ".join(f"See [{noun.__name__}](#{noun.__name__.lower()})." for noun in _held(annotation))


def _plain(default: Any) -> str:
    return "none" if default in (None, []) else json.dumps(default, ensure_ascii=False)


def _type_of(shown: dict[str, Any], schema: dict[str, Any]) -> str:
    """What may stand there, in words: `a number, 1 to 64`."""
    if "$ref" in shown:
        shown = schema["$defs"][shown["$ref"].rpartition("/")[2]]
    if "anyOf" in shown:
        kinds = dict.fromkeys(_type_of(each, schema) for each in shown["anyOf"] if each.get("type") != "null")
        return " or ".join(kinds)
    if "enum" in shown:
        return ", ".join(f"`{word}`" for word in shown["enum"] if word)
    if shown.get("type") == "array":
        return f"a list: {_type_of(shown['items'], schema)}"
    kind = _WORDS.get(shown.get("type", ""), "any JSON")
    least = shown.get("minimum", shown.get("exclusiveMinimum"))
    bounds = [f"{'over' if 'exclusiveMinimum' in shown else 'from'} {least}"] if least is not None else []
    bounds += [f"up to {shown['maximum']}"] if "maximum" in shown else []
    bounds += [f"at most {shown['maxLength']} letters"] if "maxLength" in shown else []
    return f"{kind}, {' '.join(bounds)}" if bounds else kind


_WORDS: Final = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "`true` or `false`",
    "object": "a mapping",
}
