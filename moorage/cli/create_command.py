"""`moorage deployment create`: the guides' simple form as questions, each with a flag, so that scripts never wait."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.text import Text

from moorage.cli import advanced_form
from moorage.cli.declaration_commands import deploy_and_tell
from moorage.cli.questions import Questions
from moorage.cli.terminal import Project, console, parse_json, site_of
from moorage.components import ApiProtocol, LogMode
from moorage.declaration import parse_specification
from moorage.deployment import DeploymentSpec
from moorage.errors import CallerError, NotFound
from moorage.names import deployment_name_of
from moorage.predictor import Framework, ServingTool
from moorage.registry.record import ModelVersion
from moorage.resources import ScaleMetric
from moorage.site import Site


def create(
    framework: Annotated[Framework | None, typer.Option(help="Narrows the models down.", case_sensitive=False)] = None,
    model: Annotated[str | None, typer.Option(help="The model's name.")] = None,
    version: Annotated[str | None, typer.Option(help="Its version: a number, 'latest', or an alias.")] = None,
    name: Annotated[str | None, typer.Option(help="The deployment's name; by default from the model's.")] = None,
    script: Annotated[str | None, typer.Option(help="The predictor script; '' for none.")] = None,
    artifact_version: Annotated[int | None, typer.Option(help="Files that were deployed before, by number.")] = None,
    serving_tool: Annotated[ServingTool | None, typer.Option(help="Where it runs.", case_sensitive=False)] = None,
    environment: Annotated[str | None, typer.Option(help="The Python environment of the script.")] = None,
    config: Annotated[str | None, typer.Option(help="The server configuration file.")] = None,
    instances: Annotated[int | None, typer.Option(help="How many, on a cluster.")] = None,
    cores: Annotated[float | None, typer.Option(help="Of each instance.")] = None,
    memory_mb: Annotated[int | None, typer.Option(help="Of each instance.")] = None,
    gpus: Annotated[int | None, typer.Option(help="Of each instance.")] = None,
    max_instances: Annotated[int | None, typer.Option(help="It scales up to so many.")] = None,
    min_instances: Annotated[int | None, typer.Option(help="It scales from so many.")] = None,
    scale_metric: Annotated[ScaleMetric | None, typer.Option(help="What it scales by.", case_sensitive=False)] = None,
    queue: Annotated[str | None, typer.Option(help="The Kueue queue that instances wait in.")] = None,
    transformer: Annotated[str | None, typer.Option(help="A transformer script.")] = None,
    batch: Annotated[int | None, typer.Option(help="Rows of several requests are predicted together, so many.")] = None,
    log: Annotated[LogMode | None, typer.Option(help="What is logged to Kafka.", case_sensitive=False)] = None,
    topic: Annotated[str | None, typer.Option(help="Where to, where there is a topic; by default one is made.")] = None,
    api_protocol: Annotated[ApiProtocol | None, typer.Option(help="How it is asked.", case_sensitive=False)] = None,
    env: Annotated[list[str] | None, typer.Option(help="A variable: NAME=value; may be given again.")] = None,
    secret: Annotated[
        list[str] | None, typer.Option(help="A variable that is secret: NAME=SECRET/KEY; may be given again.")
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(help="Rows to prove it with, as JSON, or a text; by default the model's input example."),
    ] = None,
    expect: Annotated[str | None, typer.Option(help="What it is to answer to them, as JSON.")] = None,
    advanced: Annotated[bool, typer.Option("--advanced", help="Ask for the rest too.")] = False,
    write: Annotated[Path | None, typer.Option(help="Write the YAML file, and deploy nothing.")] = None,
    ask: Annotated[bool | None, typer.Option("--ask/--no-ask", help="By default where this is a terminal.")] = None,
    project: Project = None,
) -> None:
    """Asks what to deploy and how, filled in as far as can be told, and takes it online."""
    site = site_of(project)
    questions = Questions(sys.stdin.isatty() if ask is None else ask)
    record, chosen = _pick(site, questions, framework, model, version)
    answers: dict[str, Any] = {"model": {"name": record.name, "version": chosen}}
    answers["name"] = questions.ask("Name of the deployment", name, deployment_name_of(record.name), "--name")
    answers |= _files(site, questions, record, script, artifact_version)
    if record.framework is Framework.LLM and not {"script_file", "artifact_version"} & answers.keys():
        config = questions.ask("Server configuration file, options of `vllm serve`", config, None, "--config")
    given: dict[str, Any] = {
        "serving_tool": serving_tool,
        "environment": environment,
        "config": config,
        "queue": queue,
        "instances": instances,
        "cores": cores,
        "memory_mb": memory_mb,
        "gpus": gpus,
        "max_instances": max_instances,
        "min_instances": min_instances,
        "scale_metric": scale_metric,
        "transformer": transformer,
        "batch": batch,
        "log": log,
        "topic": topic,
        "api_protocol": api_protocol,
        "env": dict(map(advanced_form.variable, env)) if env else None,
        "secret": dict(map(advanced_form.secret, secret)) if secret else None,
    }
    answers |= advanced_form.shaped(advanced_form.asked(questions, given) if advanced else given)
    answers |= _proof(questions, record, inputs, expect)
    spec = parse_specification(answers, answers["name"])
    if write is not None:
        write.write_text(as_yaml(_seen_from(write.parent, answers)), encoding="utf-8")
        console.print(Text(f"{write}: `moorage deployment apply -f {write}` deploys it"), soft_wrap=True)
        return
    if questions.is_asking:
        console.print(Text(as_yaml(answers)))
        typer.confirm("Deploy it?", default=True, abort=True, err=True)
    deploy_and_tell(site, spec)


def as_yaml(answers: dict[str, Any]) -> str:
    """The file that declares what was answered."""
    order = [*DeploymentSpec.model_fields]
    plain = {key: answers[key] for key in sorted(answers, key=order.index)}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)


def _seen_from(folder: Path, answers: dict[str, Any]) -> dict[str, Any]:
    """Paths in a file count from its own folder."""

    def seen(path: str) -> str:
        return os.path.relpath(path, folder) if Path(path).exists() else path

    paths: dict[str, Any] = {key: seen(answers[key]) for key in ("script_file", "config_file") if key in answers}
    if transformer := answers.get("transformer"):
        paths["transformer"] = transformer | {"script_file": seen(transformer["script_file"])}
    return answers | paths


def _pick(
    site: Site, questions: Questions, framework: Framework | None, model: str | None, version: str | None
) -> tuple[ModelVersion, int | str]:
    """The model version, and as what it was chosen; the newest by its number where nothing is said."""
    if model is None:
        models = [site.registry.get(each) for each in site.registry.models()]
        if not models:
            raise NotFound(
                "There is no model to deploy.",
                "",
                "Register one: `moorage model register NAME PATH --framework sklearn`.",
            )
        known = sorted({str(each.framework) for each in models})
        if framework is None and len(known) > 1 and questions.is_asking:
            framework = Framework(questions.ask("Framework", None, known[0], "--framework", of=known))
        fitting = [each.name for each in models if framework is None or each.framework == framework]
        if not fitting:
            raise NotFound(f"There is no {framework} model.", f"There are models of {', '.join(known)}.")
        prefilled = fitting[0] if len(fitting) == 1 or questions.is_asking else None
        model = questions.ask("Model", None, prefilled, "--model", of=fitting)
    newest = site.registry.get(model)
    chosen = _numbered(questions.ask("Version", version, newest.version, "--version"))
    return newest if chosen == newest.version else site.registry.get(model, chosen), chosen


def _files(
    site: Site, questions: Questions, record: ModelVersion, script: str | None, artifact_version: int | None
) -> dict[str, Any]:
    """A script, or files that were deployed before; the newest of these where there are any."""
    if artifact_version is not None:
        return {"artifact_version": artifact_version}
    if record.framework is Framework.TENSORFLOW and script is None:
        return {}  # rule 11
    newest = site.registry.newest_artifact_version(record.name, record.version)
    needs_one = record.framework in (Framework.PYTHON, Framework.TORCH) and not newest
    otherwise = f" (empty: artifact version {newest})" if newest else "" if needs_one else " (empty: none)"
    what = f"Predictor script{otherwise}"
    path = questions.ask(what, script, None if needs_one else "", "--script")
    if path:
        return {"script_file": path}
    return {"artifact_version": newest} if newest else {}


def _proof(questions: Questions, record: ModelVersion, inputs: str | None, expect: str | None) -> dict[str, Any]:
    """What it is asked before it serves, where that is not just the model's input example."""
    if inputs is None and expect is None and record.input_example is not None:
        return {}
    is_text = record.framework is Framework.LLM
    if inputs is None and record.input_example is None:
        asked = "A text to prove it with (empty: one word)", "Rows to prove it with, as JSON (empty: none)"
        inputs = questions.ask(asked[0 if is_text else 1], None, "", "--inputs")
    if not inputs and record.input_example is None:
        if expect is None:
            return {}
        raise CallerError("--expect was given, and nothing to ask.", "", "Give --inputs too.")
    request = {"inputs": _read(inputs, is_text=is_text) if inputs else record.input_example}
    if expect is not None:
        request["expect"] = _read(expect, is_text=is_text)
    return {"smoke_test": {"requests": [request]}}


def _read(given: str, *, is_text: bool) -> Any:
    """A value in JSON; for what answers texts, a text needs no quotes."""
    return given if is_text and not given.startswith(("[", "{", '"')) else parse_json(given)


def _numbered(version: str) -> int | str:
    return int(version) if version.isdecimal() else version
