"""Loads the class of a user's script: read, compile, execute, find the class, check it, make one."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import linecache
import re
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from io import StringIO
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from moorage.errors import PredictorScriptError
from moorage.runtime.blame import blame, error_of, place_of
from moorage.runtime.imports import importable
from moorage.runtime.loaded import Answers, LoadedPredictor, Transformed
from moorage.runtime.script_class import ScriptClass
from moorage.runtime.worker import Worker
from moorage.script import (
    PREDICTOR,
    TRANSFORMER,
    VLLM_PREDICTOR,
    ScriptKind,
    attribute_missing,
    check_source,
    class_missing,
    method_missing,
    python_of,
    syntax_problem,
    wrong_signature,
)
from moorage.startup import Cause

_numbers: Final = itertools.count(1)


def load_predictor(script: Path) -> LoadedPredictor:
    """An instance of the script's class `Predictor`, else `Predict`; see `load_class`."""
    return LoadedPredictor(load_class(script, PREDICTOR))


def load_transformer(script: Path, asked: Answers) -> Transformed:
    """An instance of the class `Transformer` of a script or a notebook, before whoever predicts; see `load_class`."""
    return Transformed(load_class(script, TRANSFORMER), asked)


def load_engine(script: Path) -> ScriptClass:
    """An instance of the script's class `Predictor`, which has an engine of vLLM's; see `load_class`."""
    return load_class(script, VLLM_PREDICTOR)


def load_class(script: Path, wanted: ScriptKind) -> ScriptClass:
    """An instance of the script's class.

    The script's folder comes first on `sys.path`, so files beside it import plainly (`import features`) and relatively
    (`from . import features`). After a failure `sys.path` is as it was, and `sys.modules` without the folder's modules.

    Raises:
        PredictorScriptError: anything wrong with the script, with the author's file and line.
    """
    script = script.resolve()
    code = _compile(_read(script, wanted), script, wanted)
    package = f"{wanted.wanted.lower()}_script_{next(_numbers)}"
    with importable(script.parent, package):
        module = _execute(code, script, package)
        kind = _find_class(module, script, wanted)
        _check_methods(kind, script, wanted)
        _check_call(kind, "__init__", kind, (), script, wanted)
        instance = _make(kind, script, package)
        if wanted.attribute and getattr(instance, wanted.attribute, None) is None:
            raise error_of(attribute_missing(kind.__name__, script.name, wanted), script.name)
    methods = {name: getattr(instance, name, None) for name in wanted.methods}
    return ScriptClass(
        class_name=kind.__name__,
        awaited=frozenset(name for name, method in methods.items() if callable(method) and _is_async(method)),
        file=script.name,
        script=script,
        package=package,
        instance=instance,
        worker=Worker(),
    )


def _read(script: Path, wanted: ScriptKind) -> bytes:
    what = wanted.wanted.lower()
    try:
        return script.read_bytes()
    except OSError as exc:
        raise PredictorScriptError(
            f"There is no {what} script {script.name}: {exc.strerror}.",
            f"Expected it at {script}.",
            "Look at the scripts of the deployment and at the files of its artifact version.",
            cause=Cause.SCRIPT_MISSING,
            file=script.name,
            line=None,
        ) from exc


def _compile(content: bytes, script: Path, wanted: ScriptKind) -> CodeType:
    problem = check_source(content, script.name, wanted)
    if problem is not None:
        raise error_of(problem, script.name)
    source = python_of(content, script.name)
    if isinstance(source, str):
        # tracebacks show its lines, where they would look into the notebook's file; without a time they stay
        linecache.cache[str(script)] = (len(source), None, StringIO(source).readlines(), str(script))
    try:
        return compile(source, str(script), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as exc:
        # some errors show only to the compiler: 'return' outside function
        raise error_of(syntax_problem(exc, script.name), script.name) from None


def _execute(code: CodeType, script: Path, package: str) -> ModuleType:
    # a file may be named my-predictor.v2.py; pickle finds the class again under this name
    name = f"{package}.{re.sub(r'[^0-9a-zA-Z_]', '_', script.stem)}"
    loader = SourceFileLoader(name, str(script))
    module = module_from_spec(ModuleSpec(name, loader, origin=str(script)))
    module.__file__ = str(script)
    sys.modules[name] = module
    with _blamed_on(script, package, f"{script.name} to be imported without an exception"):
        exec(code, module.__dict__)  # noqa: S102 - the user's own script is what we are here for
    return module


@contextlib.contextmanager
def _blamed_on(script: Path, package: str, doing: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as exc:
        raise blame(exc, script, package=package, doing=doing, otherwise=Cause.SCRIPT_ERROR) from exc


def _find_class(module: ModuleType, script: Path, wanted: ScriptKind) -> type[Any]:
    for name in wanted.class_names:
        kind = getattr(module, name, None)
        if inspect.isclass(kind):
            return kind
    own = [name for name, kind in vars(module).items() if inspect.isclass(kind) and kind.__module__ == module.__name__]
    raise error_of(class_missing(script.name, own, wanted), script.name)


def _check_methods(kind: type[Any], script: Path, wanted: ScriptKind) -> None:
    there = {name: method for name in wanted.methods if callable(method := getattr(kind, name, None))}
    if wanted.methods and not there:
        raise error_of(method_missing(kind.__name__, script.name, None, wanted), script.name)
    for name, method in there.items():
        is_plain = inspect.isfunction(inspect.getattr_static(kind, name))
        _check_call(kind, name, method, ("self", "argument") if is_plain else ("argument",), script, wanted)


def _check_call(
    kind: type[Any], name: str, called: Callable[..., Any], given: tuple[str, ...], script: Path, wanted: ScriptKind
) -> None:
    try:
        signature = inspect.signature(called)
    except (ValueError, TypeError):
        return  # a class or method of an extension module need not tell
    try:
        signature.bind(*given)
    except TypeError:
        method = getattr(kind, name)
        file, line = place_of(inspect.unwrap(method), script)
        problem = wrong_signature(kind.__name__, name, _as_written(method, signature), file, line, wanted)
        raise error_of(problem, file) from None


def _as_written(method: Callable[..., Any], otherwise: inspect.Signature) -> str:
    try:
        return str(inspect.signature(method))
    except (ValueError, TypeError):
        return str(otherwise)


def _make(kind: type[Any], script: Path, package: str) -> Any:
    with _blamed_on(script, package, f"{kind.__name__}() to be made without an exception"):
        return kind()


def _is_async(predict: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(predict) or inspect.iscoroutinefunction(type(predict).__call__)
