"""A rule as a value: its number, the options that it ties together, what it says, and what finds where it is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from moorage.deployment import DeploymentSpec
from moorage.errors import Violation
from moorage.rules.facts import Facts

Find = Callable[[DeploymentSpec, Facts], Iterator[Violation]]


@dataclass(frozen=True)
class Rule:
    """One rule, or a few that are looked at together.

    Attributes:
        numbers: those of Hopsworks' serving backend that Moorage takes over; `L` marks our own.
        options: fields of the specification that it ties together; the first is blamed, or what is in it.
        says: the rule, a sentence.
        find: where a specification breaks it (pure).
    """

    numbers: tuple[str, ...]
    options: tuple[str, ...]
    says: str
    find: Find


def rule(numbers: str, *options: str) -> Callable[[Find], Rule]:
    """Makes a rule of a function; the first line of its docstring is what the rule says."""

    def decorate(find: Find) -> Rule:
        says = (find.__doc__ or "").partition("\n")[0].strip()
        assert says, f"{find.__name__} says nothing"  # noqa: S101 - at import, for whoever adds a rule
        return Rule(tuple(numbers.split()), options, says, find)

    return decorate


def as_table(rules: tuple[Rule, ...]) -> str:
    """The rules as a table in Markdown, in their order."""
    rows = [
        f"| {', '.join(each.numbers)} | {', '.join(f'`{option}`' for option in each.options)} | {each.says} |"
        for each in rules
    ]
    return "\n".join(["| rule | options | |", "| --- | --- | --- |", *rows])
