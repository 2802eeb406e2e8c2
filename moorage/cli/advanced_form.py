"""The options beyond the guides' simple form: what each is called, asked, and where the YAML has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from moorage.cli.questions import Questions
from moorage.components import ApiProtocol, LogMode
from moorage.errors import CallerError
from moorage.predictor import ServingTool
from moorage.resources import ScaleMetric


@dataclass(frozen=True)
class Option:
    """One of them.

    Attributes:
        path: where the YAML has it, a name for each level.
        what: the question.
        prefilled: what is so unless it is said otherwise; it is left out of the YAML.
        read: from what was typed.
        of: the words that there are; none: anything.
        only_with: another option without which nobody asks for this one.
    """

    path: tuple[str, ...]
    what: str
    prefilled: Any = ""
    read: Callable[[str], Any] = str
    of: tuple[str, ...] = ()
    only_with: str = ""


def variables(text: str) -> dict[str, Any]:
    """From `A=1,B=2`."""
    return dict(variable(part) for part in text.split(","))


def variable(text: str) -> tuple[str, str]:
    """From `NAME=value`."""
    name, equals, value = text.strip().partition("=")
    if not equals:
        raise CallerError(f"{text!r} is no variable.", "NAME=value was expected.")
    return name, value


def secrets(text: str) -> dict[str, Any]:
    """From `HF_TOKEN=hub,PASSWORD=database/password`: the variable, and the secret or what of it."""
    return dict(secret(part) for part in text.split(","))


def secret(text: str) -> tuple[str, dict[str, str]]:
    """From `NAME=SECRET` or `NAME=SECRET/KEY`."""
    name, equals, value = text.strip().partition("=")
    held, slash, key = value.partition("/")
    if not (equals and name and held) or (slash and not key):
        raise CallerError(f"{text!r} names no secret.", "NAME=SECRET or NAME=SECRET/KEY was expected.")
    return name, {"secret": held} | ({"key": key} if key else {})


# By the name of its flag, in the order in which they are asked.
ADVANCED: Final[Mapping[str, Option]] = {
    "serving_tool": Option(("serving_tool",), "Serving tool", ServingTool.LOCAL, of=tuple(ServingTool)),
    "environment": Option(("environment",), "Environment (empty: the model server's own)"),
    "config": Option(("config_file",), "Server configuration file (empty: none)"),
    "instances": Option(("resources", "instances"), "Instances", 1, int),
    "cores": Option(("resources", "requests", "cores"), "Cores of each (empty: 0.2)", read=float),
    "memory_mb": Option(("resources", "requests", "memory_mb"), "Memory of each in MB (empty: 32)", read=int),
    "gpus": Option(("resources", "requests", "gpus"), "GPUs of each", 0, int),
    "max_instances": Option(("scaling", "max_instances"), "Instances at most (empty: no scaling)", read=int),
    "min_instances": Option(("scaling", "min_instances"), "Instances at least", 1, int, only_with="max_instances"),
    "scale_metric": Option(
        ("scaling", "metric"), "Scaled by", ScaleMetric.CPU, of=tuple(ScaleMetric), only_with="max_instances"
    ),
    "queue": Option(("queue",), "Queue (empty: none)"),
    "transformer": Option(("transformer", "script_file"), "Transformer script (empty: none)"),
    "batch": Option(("inference_batcher", "max_batch_size"), "Rows of a batch at most (empty: none)", read=int),
    "log": Option(("inference_logger", "mode"), "Inference logger", LogMode.NONE, of=tuple(LogMode)),
    "topic": Option(("inference_logger", "kafka_topic"), "Kafka topic", "CREATE", only_with="log"),
    "api_protocol": Option(("api_protocol",), "API protocol", ApiProtocol.REST, of=tuple(ApiProtocol)),
    "env": Option(("env_vars",), "Variables, NAME=value, with commas between (empty: none)", read=variables),
    "secret": Option(("env_vars",), "Those that are secret, NAME=SECRET/KEY (empty: none)", read=secrets),
}


def asked(questions: Questions, given: Mapping[str, Any]) -> dict[str, Any]:
    """What flags said, and the answers to the rest; all of it is filled in, so that nobody has to be there."""
    answers = dict(given)
    for name, option in ADVANCED.items():
        if answers[name] is None and (not option.only_with or _is_said(option.only_with, answers)):
            prefilled = str(option.prefilled)
            answer = questions.ask(option.what, None, prefilled, "", of=tuple(map(str, option.of)))
            answers[name] = _read(option, answer)
    return answers


def shaped(answers: Mapping[str, Any]) -> dict[str, Any]:
    """What was answered, where the YAML has it; what was not, or is so anyway, is left out."""
    shape: dict[str, Any] = {}
    for name, option in ADVANCED.items():
        value = answers[name]
        if _is_said(name, answers):
            *levels, last = option.path
            place = shape
            for level in levels:
                place = place.setdefault(level, {})
            plain = str(value) if option.of else value
            place[last] = place.get(last, {}) | plain if isinstance(plain, dict) else plain
    if "inference_batcher" in shape:
        shape["inference_batcher"]["enabled"] = True
    return shape


def _is_said(name: str, answers: Mapping[str, Any]) -> bool:
    return answers[name] not in (None, "", ADVANCED[name].prefilled)


def _read(option: Option, answer: str) -> Any:
    try:
        return option.read(answer) if answer else None
    except ValueError as error:
        raise CallerError(f"{answer!r} is no number.", "A number was expected.") from error
