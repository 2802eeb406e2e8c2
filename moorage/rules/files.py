"""Which files are delivered with a model: that they are there, can be read, and fit in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Final

from moorage.deployment import DeploymentSpec
from moorage.errors import Violation
from moorage.rules.facts import Facts
from moorage.rules.rule import Rule, rule


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


FILE_RULES: Final[tuple[Rule, ...]] = (
    _files_exist,
    _script_is_python,
    _script_can_be_loaded,
    _files_differ_in_name,
    _further_files_can_be_delivered,
    _imports_are_delivered,
    _artifact_version_fits,
)
