"""Where in a YAML text a field stands, so that an error can name its line, and what stands there twice (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import yaml

from moorage.errors import InvalidSpec, Violation

# https://yaml.org/type/merge.html
_MERGE: Final = "tag:yaml.org,2002:merge"
_STEPS: Final = re.compile(r"[^.\[\]]+")


def with_lines(error: InvalidSpec, text: str, file: str) -> InvalidSpec:
    """The error, with the file and the line of each field that it names, as `iris.yaml:7`."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return InvalidSpec(
        error.name,
        [
            replace(each, place=file if line is None else f"{file}:{line}")
            for each in error.violations
            for line in [line_of(root, each.field)]
        ],
    )


def line_of(root: yaml.Node | None, field: str) -> int | None:
    """The line, from 1, of a field such as `resources.limits.cores` or `smoke_test.requests[0]`.

    Of one that is not there it is the line of what should hold it; None where nothing does.
    """
    node, line = root, None
    for step in _STEPS.findall(field):
        found = _inside(node, step)
        if found is None:
            break
        node, line = found
    return line


def given_twice(text: str, file: str) -> list[Violation]:
    """A violation for each key that a mapping has more than once: YAML's reader would keep the last, without a word."""
    return [
        Violation("L6", field, f"it is given on line {first} already.", "Each key once.", place=f"{file}:{line}")
        for field, first, line in _repeated(yaml.compose(text, Loader=yaml.SafeLoader), "", set())
    ]


def _repeated(node: yaml.Node | None, place: str, seen: set[int]) -> Iterator[tuple[str, int, int]]:
    if id(node) in seen:
        return  # an alias: what it stands for was looked at, and may hold the alias itself
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            field, line = f"{place}.{key.value}".lstrip("."), key.start_mark.line + 1
            if key.value in first and key.tag != _MERGE:
                yield field, first[key.value], line
            first.setdefault(key.value, line)
            yield from _repeated(value, field, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated(item, f"{place}[{index}]", seen)


def _inside(node: yaml.Node | None, step: str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and step.isdecimal() and int(step) < len(node.value):
        item = node.value[int(step)]
        return item, item.start_mark.line + 1
    return None
