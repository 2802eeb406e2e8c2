"""What a model server finds around it and is asked first: variables, secrets, its address, smoke requests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from moorage.deployment import DeploymentSpec
from moorage.environment import BUILT_IN, RESERVED_PREFIX
from moorage.errors import CallerError, Violation
from moorage.inference.dialect import dialect_of
from moorage.predictor import Framework, LocalOptions, ServingTool
from moorage.rules.facts import Facts
from moorage.rules.rule import Rule, rule
from moorage.rules.serving import model_server_of


@rule("L3", "env_vars")
def _variables_are_free(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """Variables that Moorage sets are not set by others."""
    for variable in spec.env_vars:
        if variable.name in BUILT_IN or variable.name.startswith(RESERVED_PREFIX):
            yield Violation(
                "L3",
                "env_vars",
                f"{variable.name} is set by Moorage itself.",
                f"Reserved are {', '.join(sorted(BUILT_IN))} and {RESERVED_PREFIX}*.",
                "Choose another name.",
            )


@rule("L21", "env_vars", "serving_tool")
def _secrets_are_there(_: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """On LOCAL the secrets that variables name are there, and nobody else can read them."""
    for name, problem in facts.secret_problems.items():
        yield Violation("L21", f"env_vars.{name}", problem.what, problem.expected, problem.mend)


@rule("L4", "local", "serving_tool")
def _local_options_fit(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """Host and port are for LOCAL."""
    if spec.serving_tool is not ServingTool.LOCAL and spec.local != LocalOptions():
        yield Violation(
            "L4", "local", f"host or port were given for {spec.serving_tool}.", "They are for LOCAL.", "Leave them out."
        )


@rule("L5", "smoke_test", "model")
def _smoke_requests_can_be_asked(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Each smoke request can be sent to the model server, and kept as JSON."""
    dialect = dialect_of(model_server_of(spec, facts.framework or Framework.PYTHON))
    for index, request in enumerate(spec.smoke_test.requests):
        try:
            dialect.body(spec.name, request.inputs, request.data)
        except CallerError as problem:
            yield Violation("L5", f"smoke_test.requests[{index}]", problem.what, problem.expected, problem.mend)
    yield from values_without_json(spec)


_IN_QUOTES: Final = "Leave it out, or write it as text, in quotes."


def values_without_json(spec: DeploymentSpec) -> Iterator[Violation]:
    """The first value of each request that could neither be sent nor kept as it is: YAML knows more than JSON does."""
    for index, request in enumerate(spec.smoke_test.requests):
        for part in ("inputs", "data", "expect"):
            place = f"smoke_test.requests[{index}].{part}"
            try:
                found = next(_without_json(getattr(request, part), place), None)
            except RecursionError:
                found = place, "nested without end"
            if found is not None:
                yield Violation("L5", found[0], f"it is {found[1]}.", "JSON cannot carry that.", _IN_QUOTES)


def _without_json(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            shown = str(key).encode(errors="backslashreplace").decode()
            yield from _without_json(key, f"{place}.{shown}")
            yield from _without_json(item, f"{place}.{shown}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _without_json(item, f"{place}[{index}]")
    elif isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            yield place, "text with half a surrogate pair"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield place, f"the number {value}"
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**64:
            yield place, "an integer of more than 64 bits"
    elif value is not None:
        yield place, f"of type {type(value).__name__}"


VARIABLES_ARE_FREE: Final = _variables_are_free
PROCESS_RULES: Final[tuple[Rule, ...]] = (
    _variables_are_free,
    _secrets_are_there,
    _local_options_fit,
    _smoke_requests_can_be_asked,
)
