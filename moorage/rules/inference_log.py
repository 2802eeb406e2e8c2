"""What goes together with an inference logger: its mode, its topic, and who can log what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from moorage.components import CREATE, NO_TOPIC
from moorage.deployment import DeploymentSpec
from moorage.errors import Violation
from moorage.inference_log.record import problem_with
from moorage.rules.facts import Facts
from moorage.rules.rule import Rule, rule


@rule("26", "inference_logger", "serving_tool")
def _tool_logs_that(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """KUBERNETES logs both halves of an exchange in one event, and so both or none."""
    logger, able = spec.inference_logger, facts.able(spec.serving_tool)
    if logger is None or not logger.logs or able is None or logger.mode in able.log_modes:
        return
    modes = " or ".join(sorted(able.log_modes))
    tools = " or ".join(sorted(tool for tool, each in facts.abilities.items() if logger.mode in each.log_modes))
    yield Violation(
        "26",
        "inference_logger.mode",
        f"{spec.serving_tool} cannot log {logger.mode}.",
        f"It logs {modes or 'nothing'}; {tools} can.",
        f"Set mode to {modes}, or choose another serving_tool." if modes else "Leave inference_logger out.",
    )


@rule("27", "inference_logger")
def _mode_has_its_topic(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """Where something is logged there is a topic, and no topic where nothing is."""
    logger = spec.inference_logger
    if logger is None:
        return
    has_topic = logger.topic.name != NO_TOPIC
    if logger.logs and not has_topic:
        yield Violation(
            "27",
            "inference_logger.kafka_topic",
            f"{logger.mode} is to be logged, and there is no topic for it.",
            "What is logged goes to a Kafka topic.",
            "Name one, or CREATE, or set mode to NONE.",
        )
    elif has_topic and not logger.logs:
        yield Violation(
            "27",
            "inference_logger.mode",
            f"topic {logger.topic.name!r} was given, and nothing is logged.",
            "A topic is for what is logged.",
            "Set mode to ALL, MODEL_INPUTS or PREDICTIONS, or leave kafka_topic out.",
        )


@rule("28", "inference_logger", "serving_tool")
def _topic_is_there(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A topic that is named exists, and its schema, if it has one, is that of inferences."""
    if spec.inference_logger is None or facts.topic_is_there is None:
        return
    name = spec.inference_logger.topic.name
    if not facts.topic_is_there:
        yield Violation(
            "28",
            "inference_logger.kafka_topic.name",
            f"there is no topic {name!r}.",
            "A topic that is named exists already.",
            "Name one that does, or CREATE.",
        )
    elif facts.topic_schema is not None and (problem := problem_with(facts.topic_schema, spec.serving_tool)):
        yield Violation(
            "28",
            "inference_logger.kafka_topic.name",
            f"topic {name!r} is for something else: {problem}.",
            "Consumers read a topic by its schema.",
            "Name another, or CREATE.",
        )


@rule("29 L25", "inference_logger")
def _topic_can_be_made(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """Partitions and replicas are those of a topic that is made, and at least one each."""
    if spec.inference_logger is None:
        return
    topic = spec.inference_logger.topic
    for name in ("partitions", "replicas"):
        count = getattr(topic, name)
        if count is None:
            continue
        if topic.name != CREATE:
            yield Violation(
                "L25",
                f"inference_logger.kafka_topic.{name}",
                f"{count} {name} were given for topic {topic.name!r}.",
                "They are for a topic that is made.",
                "Leave it out, or CREATE one.",
            )
        elif count < 1:
            yield Violation(
                "29",
                f"inference_logger.kafka_topic.{name}",
                f"{count} {name} were asked for.",
                "A topic has at least one.",
                "Give at least 1, or leave it out for as many as the broker makes.",
            )


@rule("L24", "inference_logger")
def _broker_can_be_had(_: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Where something is logged there is a broker for it."""
    if (problem := facts.log_problem) is not None:
        yield Violation("L24", "inference_logger", problem.what, problem.expected, problem.mend)


LOG_RULES: Final[tuple[Rule, ...]] = (
    _tool_logs_that,
    _mode_has_its_topic,
    _topic_is_there,
    _topic_can_be_made,
    _broker_can_be_had,
)
