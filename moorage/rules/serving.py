"""Which model, model server and serving tool go together, and with what of a script."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Final

from moorage.components import ApiProtocol, InferenceBatcher
from moorage.deployment import DeploymentSpec
from moorage.errors import Violation
from moorage.predictor import ANY_PIPELINE, PICKLES, Framework, ModelServer, ServingTool, environment_for, pickles_in
from moorage.resources import counts_requests
from moorage.rules.facts import Facts
from moorage.rules.rule import Rule, rule


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


@rule("10", "model_server", "model", "name")
def _server_stays(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A deployment keeps its model server for life."""
    if facts.framework is None or facts.served_by is None:
        return
    server = model_server_of(spec, facts.framework)
    if server is not facts.served_by:
        yield Violation(
            "10",
            "model_server",
            f"a {facts.framework} model is served by {server}, and deployment {spec.name!r} by {facts.served_by}.",
            "A deployment keeps its model server for life: whoever asks it asks one protocol.",
            "Deploy it under another name, and retire this one.",
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


@rule("12", "model")
def _saved_model_is_whole(_: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A TENSORFLOW model is a SavedModel: a .pb file, and a folder `variables`.

    https://www.tensorflow.org/guide/saved_model#the_savedmodel_format_on_disk
    """
    if facts.framework is not Framework.TENSORFLOW:
        return
    paths = [PurePath(path) for path in facts.model_files]
    parts = {".pb file": any(path.suffix == ".pb" for path in paths)}
    parts["folder `variables`"] = any("variables" in path.parent.parts for path in paths)
    if missing := [part for part, there in parts.items() if not there]:
        yield Violation(
            "12",
            "model",
            f"its model files have no {' and no '.join(missing)}.",
            "TensorFlow Serving loads what `tf.saved_model.save` writes.",
            "Register the folder that it wrote.",
        )


@rule("40", "artifact_version", "serving_tool", "model")
def _tensorflow_has_no_artifact(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A TENSORFLOW model on KUBERNETES has model files alone."""
    is_there = spec.serving_tool is ServingTool.KUBERNETES and facts.framework is Framework.TENSORFLOW
    if is_there and spec.artifact_version:
        yield Violation(
            "40",
            "artifact_version",
            f"artifact version {spec.artifact_version} was asked for with a TENSORFLOW model on {spec.serving_tool}.",
            "It has no artifact files there, which 0 stands for.",
            "Leave artifact_version out, or set it to 0.",
        )


@rule("21", "environment", "model_server", "script_file", "model")
def _environment_fits(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Scripts run in an environment called …-inference-pipeline; without one, vLLM and TensorFlow in their own."""
    if spec.environment is None or facts.framework is None:
        return
    server = model_server_of(spec, facts.framework)
    own = environment_for(server, has_script=spec.script_file is not None)
    # TensorFlow Serving may be in any: what its transformer needs is in there too. And an artifact version may have a
    # script: that shows when it is loaded.
    pipeline_fits = (
        own.endswith(ANY_PIPELINE) or server is ModelServer.TENSORFLOW_SERVING or bool(spec.artifact_version)
    )
    if spec.environment == own or (pipeline_fits and spec.environment.endswith(ANY_PIPELINE)):
        return
    what = {ModelServer.PYTHON: "a Python model server"}.get(server, str(server))
    if own.endswith(ANY_PIPELINE):
        expected = f"Their names end in '{ANY_PIPELINE}'."
        cloned = f"minimal{ANY_PIPELINE}" if server is ModelServer.PYTHON else "it"
        mend = f"Use {own}, or your own clone of {cloned}."
    else:
        expected = f"It runs in {own}{f', or in one called …{ANY_PIPELINE}' if pipeline_fits else ''}."
        mend = "Leave it out."
    yield Violation("21", "environment", f"{spec.environment!r} is no environment for {what}.", expected, mend)


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
    if spec.serving_tool is ServingTool.KUBERNETES and batcher != InferenceBatcher(enabled=True):
        yield Violation(
            "30",
            "inference_batcher",
            f"options were given for {spec.serving_tool}.",
            "It batches or does not, as its defaults say.",
            "Leave all but enabled out, or set serving_tool to KSERVE.",
        )
    if server is ModelServer.VLLM:
        return  # rule 43
    if server in able.model_servers and server not in able.batches:
        tools = [tool for tool, each in facts.abilities.items() if server in each.batches]
        yield Violation(
            "30",
            "inference_batcher",
            f"{spec.serving_tool} cannot batch requests for {server}.",
            f"{_listed(tools)} can.",
            "Leave inference_batcher out, or choose another serving_tool.",
        )


@rule("31", "api_protocol", "serving_tool", "model")
def _tool_speaks_grpc(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Only the Python model server on KSERVE speaks gRPC."""
    able = facts.able(spec.serving_tool)
    if spec.api_protocol is not ApiProtocol.GRPC or able is None or facts.framework is None:
        return
    server = model_server_of(spec, facts.framework)
    if server in able.model_servers and server not in able.grpc:
        yield Violation(
            "31",
            "api_protocol",
            f"{spec.serving_tool} does not speak gRPC for {server}.",
            "Only the Python model server on KSERVE does.",
            "Set api_protocol to REST, or serving_tool to KSERVE.",
        )


@rule("L26", "api_protocol", "transformer", "scaling", "resources")
def _grpc_meets_one_component(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """GRPC is of the predictor alone, and in KServe's Standard mode.

    Knative lets a container have one port only: https://knative.dev/docs/serving/services/configure-container-ports/
    """
    if spec.api_protocol is not ApiProtocol.GRPC:
        return
    if spec.transformer is not None:
        yield Violation(
            "L26",
            "api_protocol",
            "GRPC was asked for with a transformer.",
            "A transformer is asked by REST.",
            "Set it to REST, or transform in the predictor script.",
        )
    if counts_requests(spec.resources, spec.scaling):
        yield Violation(
            "L26",
            "api_protocol",
            "GRPC was asked for, and scaling by requests or to zero.",
            "That is Knative's, which lets a container have one port only.",
            "Set it to REST, or scale by CPU or MEMORY from 1.",
        )


def _listed(values: Iterable[object]) -> str:
    return " or ".join(sorted(str(value) for value in values))


SERVING_RULES: Final[tuple[Rule, ...]] = (
    _model_exists,
    _server_fits_framework,
    _server_stays,
    _tool_is_available,
    _tool_runs_server,
    _script_is_given,
    _script_is_allowed,
    _saved_model_is_whole,
    _tensorflow_has_no_artifact,
    _environment_fits,
    _batcher_fits,
    _tool_speaks_grpc,
    _grpc_meets_one_component,
)
