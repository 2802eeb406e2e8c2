"""What can be said of a script without running it (pure), in the same words as when it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from moorage import notebook
from moorage.errors import CallerError
from moorage.startup import Cause


@dataclass(frozen=True)
class ScriptKind:
    """What a script is to have.

    Attributes:
        class_names: of its class; when it has several, the first is taken.
        methods: each of its methods with the one argument that it takes beside self. Of several, one is enough.
        does: what the methods do, for people.
        attribute: what `__init__` sets, where that answers in the place of methods.
        suffixes: that its file may have.
    """

    class_names: tuple[str, ...]
    methods: Mapping[str, str]
    does: str
    attribute: str = ""
    suffixes: tuple[str, ...] = (".py",)

    @property
    def wanted(self) -> str:
        """The class as it is called first."""
        return self.class_names[0]

    @property
    def signatures(self) -> str:
        """The methods as they are written."""
        return " or ".join(f"{name}(self, {argument})" for name, argument in self.methods.items())


# The guide's name, then the older one.
PREDICTOR: Final = ScriptKind(("Predictor", "Predict"), {"predict": "inputs"}, "which returns the predictions")
TRANSFORMER: Final = ScriptKind(
    ("Transformer",),
    {"preprocess": "inputs", "postprocess": "outputs"},
    "which return what the predictor, or the caller, is to get",
    suffixes=(".py", notebook.SUFFIX),
)
VLLM_PREDICTOR: Final = ScriptKind(("Predictor",), {}, "which answers requests", attribute="vllm_engine")


@dataclass(frozen=True)
class ScriptProblem:
    """Why a script cannot be served.

    Attributes:
        cause: which of the closed list.
        message, expected, mend: as in `MoorageError`.
        line: the line in the script; None when it is about the whole of it.
    """

    cause: Cause
    message: str
    expected: str
    mend: str
    line: int | None = None


def python_of(content: str | bytes, file: str) -> str | bytes:
    """What Python is to run of a script: its text, or the code cells of a notebook.

    Raises:
        CallerError: the file is called a notebook, and is none.
    """
    return notebook.source_of(content, file) if _is_notebook(file) else content


def check_source(content: str | bytes, file: str, kind: ScriptKind = PREDICTOR) -> ScriptProblem | None:
    """The first reason why this script could never be served, or None.

    A class that is imported or assigned counts as there, and one with base classes may inherit its methods: only
    running the script tells.

    Args:
        content: the script's text, or the notebook; bytes are decoded as Python would.
        file: the script's name.
    """
    try:
        tree = ast.parse(python_of(content, file), filename=file)
    except CallerError as exc:
        return ScriptProblem(Cause.SYNTAX_ERROR, exc.what, exc.expected, exc.mend)
    except (SyntaxError, ValueError) as exc:
        return syntax_problem(exc, file)
    bound = dict(_bindings(tree.body))
    name = next((name for name in kind.class_names if name in bound), None)
    if name is None:
        classes = [name for name, node in bound.items() if isinstance(node, ast.ClassDef)]
        return None if "*" in bound else class_missing(file, classes, kind)
    node = bound[name]
    if isinstance(node, ast.ClassDef) and not _may_answer(node, kind):
        return attribute_missing(name, file, kind) if kind.attribute else method_missing(name, file, node.lineno, kind)
    return None


def imported_names(content: str | bytes, file: str) -> frozenset[str]:
    """The first part of each module's name that the script imports, plainly or relatively, as it is loaded.

    What a function or a class imports, or what stands in a `try` (it may do without), does not count; neither does
    anything of a script that Python cannot read.
    """
    try:
        tree = ast.parse(python_of(content, file))
    except (CallerError, SyntaxError, ValueError):
        return frozenset()
    return frozenset(name.partition(".")[0] for statement in tree.body for name in _modules(statement))


def syntax_problem(exc: SyntaxError | ValueError, file: str) -> ScriptProblem:
    """Python cannot read the script; the message quotes the offending text."""
    line = exc.lineno if isinstance(exc, SyntaxError) else None
    reason = exc.msg if isinstance(exc, SyntaxError) else str(exc)
    text = (exc.text or "").strip() if isinstance(exc, SyntaxError) else ""
    if _is_notebook(file):
        hint = "of what only IPython understands, lines that begin with % or ! are left out, and no others."
    else:
        hint = f"`python -m py_compile {file}` shows the same."
    return ScriptProblem(
        Cause.SYNTAX_ERROR,
        f"{type(exc).__name__}: {reason}" + (f": `{text}`." if text else "."),
        f"Expected {file} to be Python.",
        f"Mend {place_in(file, line)}; {hint}",
        line,
    )


def class_missing(file: str, classes: Sequence[str], kind: ScriptKind = PREDICTOR) -> ScriptProblem:
    """The script has no class that could be served; `classes` are those that it has."""
    found = f"only {', '.join(classes)}" if classes else "no class at all"
    named = " (or ".join(kind.class_names) + ")" * (len(kind.class_names) - 1)
    having = f"whose __init__ sets self.{kind.attribute}" if kind.attribute else f"with a method {kind.signatures}"
    return ScriptProblem(
        Cause.CLASS_MISSING,
        f"{file} has no class {kind.wanted}: it has {found}.",
        f"Expected a class named {named} {having}.",
        f"Rename your class to {kind.wanted}, or import it under that name in {file}.",
    )


def method_missing(name: str, file: str, line: int | None, kind: ScriptKind = PREDICTOR) -> ScriptProblem:
    """The class cannot answer."""
    return ScriptProblem(
        Cause.METHOD_MISSING,
        f"Class {name} has no method {' or '.join(kind.methods)}.",
        f"Expected {kind.signatures}, {kind.does}; it may be async.",
        f"Add it to class {name} in {place_in(file, line)}.",
        line,
    )


def attribute_missing(name: str, file: str, kind: ScriptKind) -> ScriptProblem:
    """The class has nothing that answers."""
    return ScriptProblem(
        Cause.METHOD_MISSING,
        f"{name}() has no {kind.attribute}.",
        f"Expected its __init__ to set self.{kind.attribute}, {kind.does}.",
        f"Set it in {file}: self.{kind.attribute} = AsyncLLMEngine.from_engine_args(…).",
    )


def wrong_signature(
    name: str, method: str, found: str, file: str, line: int | None, kind: ScriptKind = PREDICTOR
) -> ScriptProblem:
    """A method of the class cannot be called in the way it will be; `found` is its signature as it stands."""
    if method == "__init__":
        files = "; the model's files are at MODEL_FILES_PATH" if kind is PREDICTOR else ""
        expected = f"Expected it to take nothing beside self{files}."
    else:
        expected = f"Expected it to take one argument beside self: {method}(self, {kind.methods[method]})."
    return ScriptProblem(
        Cause.METHOD_MISSING,
        f"{name}.{method} cannot be called: its signature is {method}{found}.",
        expected,
        f"Change it in {place_in(file, line)}, or give what it takes beside that a default.",
        line,
    )


def place_in(file: str, line: int | None) -> str:
    """A place in a script, for people; the lines of a notebook are counted through its code cells."""
    if line is None:
        return file
    return f"{file}, line {line} of its code cells" if _is_notebook(file) else f"{file}, line {line}"


def _is_notebook(file: str) -> bool:
    return PurePath(file).suffix == notebook.SUFFIX


def _modules(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.ImportFrom) and statement.module is not None:
        return [statement.module]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.name for alias in statement.names]
    return []


def _may_answer(node: ast.ClassDef, kind: ScriptKind) -> bool:
    gets_it_elsewhere = node.bases or node.keywords or node.decorator_list
    if kind.attribute:
        named = (each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute))
        return bool(gets_it_elsewhere) or kind.attribute in named
    return bool(gets_it_elsewhere) or bool(kind.methods.keys() & dict(_bindings(node.body)).keys())


def _bindings(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """Every name that these statements bind in their own scope, with the node that binds it; `*` for a star import."""
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name.split(".")[0], statement
        else:
            yield from _nested_bindings(statement)


def _nested_bindings(statement: ast.stmt) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield from _bindings([child])
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from _bindings(child.body)
        else:
            for node in ast.walk(child):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id, node
