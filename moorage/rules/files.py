"""Which files are delivered with a model: that they are there, can be read, and fit in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import PurePath
from typing import Final

from moorage.deployment import DeploymentSpec
from moorage.errors import Violation
from moorage.rules.facts import Facts
from moorage.rules.rule import Rule, rule
from moorage.script import PREDICTOR, TRANSFORMER


def _scripts(spec: DeploymentSpec) -> dict[str, str]:
    """The scripts that are given, by the place of the specification that names them."""
    transformer = None if spec.transformer is None else spec.transformer.script_file
    given = {"script_file": spec.script_file, "transformer.script_file": transformer}
    return {place: path for place, path in given.items() if path is not None}


@rule("19", "script_file", "transformer", "config_file")
def _files_exist(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """Scripts and configuration file are there."""
    for name, path in {**_scripts(spec), "config_file": spec.config_file}.items():
        if path in facts.missing_files:
            yield Violation(
                "19", name, f"{path!r} is not there.", "A readable file on this machine.", "Mind the working directory."
            )


@rule("19", "script_file", "transformer")
def _script_is_python(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """A predictor script is a .py file, a transformer script a .py file or a notebook."""
    given = _scripts(spec)
    predictor, transformer = given.get("script_file"), given.get("transformer.script_file")
    if predictor is not None and PurePath(predictor).suffix not in PREDICTOR.suffixes:
        yield Violation(
            "19",
            "script_file",
            f"{predictor!r} is not a Python file.",
            "Its name ends in .py.",
            "Export a notebook with `jupyter nbconvert --to script`.",
        )
    if transformer is not None and PurePath(transformer).suffix not in TRANSFORMER.suffixes:
        yield Violation(
            "19",
            "transformer.script_file",
            f"{transformer!r} is neither a Python file nor a notebook.",
            "Its name ends in .py or .ipynb.",
        )


@rule("L1", "script_file", "transformer")
def _script_can_be_loaded(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """A script can be compiled, and has the class that it is for, with a method of it."""
    problems = {"script_file": facts.script_problem, "transformer.script_file": facts.transformer_problem}
    for place, path in _scripts(spec).items():
        problem = problems[place]
        if problem is not None:
            line = "" if problem.line is None else f":{problem.line}"
            name = PurePath(path).name
            found = problem.message if problem.message.startswith(name) else f"{name}{line}: {problem.message}"
            yield Violation("L1", place, found, problem.expected, problem.mend)


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


@rule("L2", "config_file", "script_file", "transformer")
def _files_differ_in_name(spec: DeploymentSpec, _: Facts) -> Iterator[Violation]:
    """Scripts and configuration file differ in name, for they land in one folder."""
    given = [*_scripts(spec).items(), *([("config_file", spec.config_file)] if spec.config_file else [])]
    names = [(place, PurePath(path).name) for place, path in given]
    for (first, name), (place, other) in combinations(names, 2):
        # case too: not every disk tells it apart
        if name.casefold() == other.casefold():
            what = "the script" if first == "script_file" else "the transformer script"
            yield Violation("L2", place, f"it is called {other!r}, as {what} is.", "Both land in one folder.")


@rule("34 37", "artifact_version", "script_file", "transformer", "config_file", "further_files")
def _artifact_version_fits(spec: DeploymentSpec, facts: Facts) -> Iterator[Violation]:
    """An artifact version exists and holds the files given; 0 has none."""
    problem = facts.artifact_problem
    if problem is not None:
        yield Violation("37", "artifact_version", problem.what, problem.expected, problem.mend)
    if spec.artifact_version == 0 and (_scripts(spec) or spec.config_file or spec.further_files):
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
