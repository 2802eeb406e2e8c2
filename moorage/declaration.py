"""Reads a declared model deployment from its YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from moorage import rules
from moorage.deployment import DeploymentSpec
from moorage.errors import InvalidSpec, MoorageError, NotFound, Violation
from moorage.names import IN_THE_STORE
from moorage.yaml_lines import given_twice, with_lines

# How alike two names must be for one to be a slip of the other: a letter or two.
_ALIKE: Final = 0.7
# Our words for pydantic's commonest complaints, by its type of error.
_WORDS: Final = {
    "extra_forbidden": "is not known",
    "missing": "is missing",
    "model_type": "a mapping is expected",
    "dict_type": "a mapping is expected",
    "list_type": "a list is expected",
    "tuple_type": "a list is expected",
    "string_type": "text is expected; put it in quotes",
    "string_unicode": "it holds half a surrogate pair, which is no text",
    "int_type": "a whole number is expected",
    "int_parsing": "a whole number is expected",
    "int_from_float": "a whole number is expected",
    "float_type": "a number is expected",
    "float_parsing": "a number is expected",
    "invalid_key": "keys are text; put it in quotes",
}


def read_specification(path: Path) -> DeploymentSpec:
    """The specification in a YAML file; paths in it count from the file's own folder.

    Raises:
        NotFound: there is no such file.
        InvalidSpec: it is no YAML, or holds what no specification may; every violation is listed.
    """
    text = _text_of(path)
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise InvalidSpec(path.name, [_no_yaml(exc, path.name)]) from exc
    if not isinstance(plain, dict):
        found = f"it holds {'nothing' if plain is None else type(plain).__name__}."
        raise InvalidSpec(path.name, [Violation("L6", "file", found, "A mapping, as `name: …`, is expected.")])
    if twice := given_twice(text, path.name):
        raise InvalidSpec(str(plain.get("name", path.name)), twice)
    for field in {"script_file", "config_file"} & plain.keys():
        plain[field] = _from(path.parent, plain[field])
    if isinstance(plain.get("transformer"), dict) and "script_file" in plain["transformer"]:
        plain["transformer"]["script_file"] = _from(path.parent, plain["transformer"]["script_file"])
    if isinstance(plain.get("further_files"), list):
        plain["further_files"] = [_from(path.parent, given) for given in plain["further_files"]]
    try:
        return parse_specification(plain, path.name)
    except InvalidSpec as error:
        raise with_lines(error, text, path.name) from error.__cause__


def located(error: InvalidSpec, path: Path) -> InvalidSpec:
    """The error of a rule, with the line of each field in the file that declares it."""
    try:
        return with_lines(error, _text_of(path), path.name)
    except (MoorageError, yaml.YAMLError):
        return error  # it changed meanwhile


def parse_specification(plain: dict[str, Any], name: str) -> DeploymentSpec:
    """The specification in plain values; raises InvalidSpec with every violation."""
    called = str(plain.get("name", name))
    try:
        spec = DeploymentSpec.model_validate(plain)
    except ValidationError as exc:
        violations = [Violation("L6", _place(error["loc"]), _said(error), _found(error)) for error in exc.errors()]
        raise InvalidSpec(called, violations) from exc
    # before anybody writes it down: a flow's parameters are kept as JSON before the flow can check anything
    unspeakable = list(rules.values_without_json(spec)) or _text_without_utf_8(spec)
    if unspeakable:
        raise InvalidSpec(called, unspeakable)
    return spec


def _no_yaml(error: yaml.YAMLError, file: str) -> Violation:
    mark = getattr(error, "problem_mark", None)
    place = "" if mark is None else f"{file}:{mark.line + 1}:{mark.column + 1}"
    said = " ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None)))) or str(error)
    return Violation("L6", "file", f"it is not YAML: {_without_stop(' '.join(said.split()))}.", "", place=place)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise NotFound(f"The specification {str(path)!r} cannot be read: {exc.strerror}.") from exc
    except UnicodeDecodeError as exc:
        raise InvalidSpec(path.name, [Violation("L6", "file", f"it is not UTF-8: {_without_stop(exc)}.", "")]) from exc


def _from(folder: Path, given: Any) -> Any:
    """The path as it counts from the folder, one in the store as it is; what is none is left to be refused."""
    if isinstance(given, str) and given.startswith(IN_THE_STORE) and not (folder / given).exists():
        return given
    # '.' too: it has no name to be delivered under, and is not to get the folder's
    return str(folder / given) if isinstance(given, str) and PurePath(given).name else given


def _text_without_utf_8(spec: DeploymentSpec) -> list[Violation]:
    """The fields that hold half a surrogate pair; what they hold is not told, for it may be a secret."""
    return [
        Violation("L6", name, "it holds half a surrogate pair, which is no text.", "")
        for name in DeploymentSpec.model_fields
        if not _is_text(spec, name)
    ]


def _is_text(spec: DeploymentSpec, name: str) -> bool:
    try:
        spec.model_dump_json(include={name})
    except (UnicodeEncodeError, PydanticSerializationError):
        return False
    return True


def _place(loc: Sequence[int | str]) -> str:
    return ".".join(map(str, loc)).encode(errors="backslashreplace").decode() or "specification"


def _said(error: Any) -> str:
    if error["type"] in ("enum", "literal_error"):
        return f"one of {error['ctx']['expected']} is expected."
    if error["type"] == "value_error":
        return f"{_without_stop(error['ctx']['error'])}."
    plain = error["msg"].removeprefix("Input ").removeprefix("String ")
    return f"{_WORDS.get(error['type'], _without_stop(plain))}."


def _found(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        section = _section(error["loc"][:-1])
        return _known(str(error["loc"][-1]), tuple(section.model_fields)) if section else ""
    if error["loc"] and error["loc"][0] == "env_vars" and error["loc"][-1] != "name":
        return ""  # what people keep in environment variables is not for logs
    return "" if error["type"] == "missing" else f"Found: {error['input']!r}."


def _known(given: str, fields: tuple[str, ...]) -> str:
    meant = get_close_matches(given, fields, n=1, cutoff=_ALIKE)
    return f"{f'Did you mean {meant[0]}? ' if meant else ''}Known are: {', '.join(fields)}."


def _section(loc: Sequence[int | str]) -> type[BaseModel] | None:
    """The model that declares the section at this place; numbers are places in a list."""
    section: type[BaseModel] | None = DeploymentSpec
    for step in loc:
        if isinstance(step, str) and section is not None:
            field = section.model_fields.get(step)
            section = _model_in(field.annotation) if field else None
    return section


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _without_stop(text: object) -> str:
    return str(text).rstrip(".")
