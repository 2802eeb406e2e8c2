"""Which options go together: a specification and what is known around it, to every violation at once (pure).

The numbers are those of the rules in Hopsworks' serving backend that Moorage takes over; `L` marks our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, Final

from moorage.components import InferenceBatcher
from moorage.deployment import DeploymentSpec
from moorage.environment import BUILT_IN, RESERVED_PREFIX
from moorage.errors import CallerError, InvalidSpec, Violation
from moorage.inference.protocol import request_body
from moorage.predictor import PICKLES, Framework, LocalOptions, ModelServer, ServingTool, pickles_in
from moorage.rules.cluster import CLUSTER_RULES
from moorage.rules.facts import Facts
from moorage.rules.rule import Rule, rule


def violations(spec: DeploymentSpec, facts: Facts) -> list[Violation]:
    """Every rule that the specification breaks, in the order of the fields; empty when it may go on."""
    return [violation for each in RULES for violation in each.find(spec, facts)]


def check(spec: DeploymentSpec, facts: Facts) -> None:
    """Raises InvalidSpec with every violation, or returns."""
    found = violations(spec, facts)
    if found:
        raise InvalidSpec(spec.name, found)


def model_server_of(spec: DeploymentSpec, framework: Framework) -> ModelServer:
    """The model server asked for, else the one that serves the model's framework."""
    return spec.model_server or ModelServer.for_framework(framework)


@rule("5", "model")
def _model_exists(_: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """The model version is in the registry."""
    problem = facts.model_problem
    if problem is not None:
        yield Violation("5", "model", problem.what, problem.expected, problem.mend)


@rule("7 8 9", "model_server", "model")
def _server_fits_framework(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A model is served by the model server of its framework."""
    if facts.framework is None or spec.model_server is None:
        return
    fitting = ModelServer.for_framework(facts.framework)
    if spec.model_server is not fitting:
        yield Violation(
            "7-9",
            "model_server",
            f"{spec.model_server} cannot serve a {facts.framework} model.",
            f"{facts.framework} models are served by {fitting}.",
            "Leave model_server out, or register the model under its own framework.",
        )


@rule("41", "serving_tool")
def _tool_is_available(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """The serving tool is one that can be reached from here."""
    if spec.serving_tool not in facts.abilities:
        yield Violation(
            "41",
            "serving_tool",
            f"{spec.serving_tool} is not available.",
            f"Available: {_listed(facts.abilities)}.",
            f"Set serving_tool to {_listed(facts.abilities)}.",
        )


@rule("21", "model_server", "serving_tool", "model")
def _tool_runs_server(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """The serving tool can run the model server."""
    able = facts.able(spec.serving_tool)
    if facts.framework is None or able is None:
        return
    server = model_server_of(spec, facts.framework)
    if server not in able.model_servers:
        yield Violation(
            "21",
            "model_server",
            f"{spec.serving_tool} cannot run {server}, which serves {facts.framework} models.",
            f"{spec.serving_tool} runs {_listed(able.model_servers)}.",
            "Deploy a model of another framework, or with another serving tool.",
        )


@rule("13 14 15", "script_file", "artifact_version", "serving_tool", "model")
def _script_is_given(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A Python model has a predictor script, but for a scikit-learn model with one pickle on KSERVE."""
    if facts.framework is None or model_server_of(spec, facts.framework) is not ModelServer.PYTHON:
        return
    # An artifact version from 1 on brings its script along (rule 36).
    if spec.script_file is not None or spec.artifact_version:
        return
    if spec.serving_tool is ServingTool.KSERVE and facts.framework is Framework.SKLEARN:
        yield from _one_pickle(facts.model_files)
    else:
        yield Violation(
            "13-14",
            "script_file",
            "no predictor script was given.",
            f"A {facts.framework} model on {spec.serving_tool} is loaded and asked by one.",
            "Set script_file to a .py file with a class Predictor, or artifact_version to one that has a script.",
        )


def _one_pickle(model_files: tuple[str, ...]) -> Iterator[Violation]:
    found = pickles_in(model_files)
    if len(found) != 1:
        yield Violation(
            "15",
            "script_file",
            f"no predictor script was given, and the model has {', '.join(found) if found else 'no pickle'} to load.",
            f"Without a script, exactly one of its files ends in {', '.join(PICKLES)}.",
            "Give a script_file that says what to load, or register the model with one such file.",
        )


@rule("11", "script_file", "model")
def _script_is_allowed(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A TENSORFLOW model has no script: TensorFlow Serving loads it."""
    if spec.script_file is not None and facts.framework is Framework.TENSORFLOW:
        yield Violation(
            "11",
            "script_file",
            "a predictor script was given for a TENSORFLOW model.",
            "TensorFlow Serving loads the saved model itself.",
            "Leave script_file out, or register the model as PYTHON.",
        )


@rule("19", "script_file", "config_file")
def _files_exist(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Script and configuration file are there."""
    for name, path in (("script_file", spec.script_file), ("config_file", spec.config_file)):
        if path in facts.missing_files:
            yield Violation(
                "19", name, f"{path!r} is not there.", "A readable file on this machine.", "Mind the working directory."
            )


@rule("19", "script_file")
def _script_is_python(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """The predictor script is a .py file."""
    if spec.script_file is not None and PurePath(spec.script_file).suffix != ".py":
        yield Violation(
            "19",
            "script_file",
            f"{spec.script_file!r} is not a Python file.",
            "Its name ends in .py.",
            "Export a notebook with `jupyter nbconvert --to script`.",
        )


@rule("L1", "script_file")
def _script_can_be_loaded(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """The script can be compiled, and has a class Predictor with a predict method."""
    problem = facts.script_problem
    if problem is not None and spec.script_file is not None:
        line = "" if problem.line is None else f":{problem.line}"
        name = PurePath(spec.script_file).name
        found = problem.message if problem.message.startswith(name) else f"{name}{line}: {problem.message}"
        yield Violation("L1", "script_file", found, problem.expected, problem.mend)


@rule("L8", "further_files")
def _further_files_can_be_delivered(_: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Further files are there, and can be delivered under their names."""
    problem = facts.further_problem
    if problem is not None:
        yield Violation("L8", "further_files", problem.what, problem.expected, problem.mend)


@rule("L7", "further_files", "script_file")
def _imports_are_delivered(_: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """What the script imports from beside it is delivered with it."""
    for file, names in facts.undelivered.items():
        lie, them = ("lies", "it") if len(names) == 1 else ("lie", "them")
        yield Violation(
            "L7",
            "further_files",
            f"{file} imports {' and '.join(map(repr, names))}, which {lie} beside it but would not be delivered.",
            "Only the script, the configuration file and further files are.",
            f"Name {them} among the further files, or install {them} as a package from another folder.",
        )


@rule("L2", "config_file", "script_file")
def _files_differ_in_name(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """Script and configuration file differ in name, for they land in one folder."""
    if spec.script_file and spec.config_file:
        script, config = PurePath(spec.script_file).name, PurePath(spec.config_file).name
        # case too: not every disk tells it apart
        if script.casefold() == config.casefold():
            yield Violation(
                "L2", "config_file", f"it is called {config!r}, as the script is.", "Both land in one folder."
            )


@rule("34 37", "artifact_version", "script_file", "config_file", "further_files")
def _artifact_version_fits(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """An artifact version exists and holds the files given; 0 has none."""
    problem = facts.artifact_problem
    if problem is not None:
        yield Violation("37", "artifact_version", problem.what, problem.expected, problem.mend)
    if spec.artifact_version == 0 and (spec.script_file or spec.config_file or spec.further_files):
        yield Violation(
            "34",
            "artifact_version",
            "version 0 was asked for together with a script, a configuration file or further files.",
            "0 is reserved for model files alone.",
            "Leave artifact_version out.",
        )


@rule("21", "environment")
def _environment_fits(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """A Python model server runs in an environment called …-inference-pipeline."""
    if not spec.environment.endswith("-inference-pipeline"):
        yield Violation(
            "21",
            "environment",
            f"{spec.environment!r} is no environment for a Python model server.",
            "Their names end in '-inference-pipeline'.",
            "Use pandas-inference-pipeline, or your own clone of minimal-inference-pipeline.",
        )


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


@rule("30 L20", "inference_batcher", "serving_tool", "model")
def _batcher_fits(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """An inference batcher is enabled where it has options, and stands before a model server that it can batch for."""
    batcher, able = spec.inference_batcher, facts.able(spec.serving_tool)
    if not batcher.enabled:
        if batcher != InferenceBatcher():
            yield Violation(
                "L20",
                "inference_batcher",
                "it has options, and is not enabled.",
                "A batcher that is not enabled has none.",
                "Set inference_batcher.enabled to true, or leave it out.",
            )
        return
    if able is None or facts.framework is None:
        return
    server = model_server_of(spec, facts.framework)
    if server in able.model_servers and server not in able.batches:
        tools = [tool for tool, each in facts.abilities.items() if server in each.batches]
        yield Violation(
            "30",
            "inference_batcher",
            f"{spec.serving_tool} cannot batch requests for {server}.",
            f"{_listed(tools)} can.",
            "Leave inference_batcher out, or choose another serving_tool.",
        )


@rule("L5", "smoke_test")
def _smoke_requests_can_be_asked(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """Each smoke request can be sent and kept as JSON."""
    for index, request in enumerate(spec.smoke_test.requests):
        try:
            request_body(inputs=request.inputs, data=request.data)
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


RULES: Final[tuple[Rule, ...]] = (
    _model_exists,
    _server_fits_framework,
    _tool_is_available,
    _tool_runs_server,
    _script_is_given,
    _script_is_allowed,
    _files_exist,
    _script_is_python,
    _script_can_be_loaded,
    _files_differ_in_name,
    _further_files_can_be_delivered,
    _imports_are_delivered,
    _artifact_version_fits,
    _environment_fits,
    _variables_are_free,
    _secrets_are_there,
    _local_options_fit,
    *CLUSTER_RULES,
    _batcher_fits,
    _smoke_requests_can_be_asked,
)


def _listed(values: Iterable[object]) -> str:
    return " or ".join(sorted(str(value) for value in values))
