"""Where in a YAML text a field stands, so that an error can name its line (pure)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

import yaml

from moorage.errors import InvalidSpec

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


def _inside(node: yaml.Node | None, step: str) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return value, key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and step.isdecimal() and int(step) < len(node.value):
        item = node.value[int(step)]
        return item, item.start_mark.line + 1
    return None
