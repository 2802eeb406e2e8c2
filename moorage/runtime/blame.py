"""From an exception to whose line it was: the author's file, line and own frames."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, TracebackType
from typing import Final

from moorage.errors import PredictorScriptError
from moorage.script import ScriptProblem, syntax_problem
from moorage.startup import Cause

# Where the name that is imported is not the name that is installed.
_PACKAGES: Final = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def error_of(problem: ScriptProblem, file: str) -> PredictorScriptError:
    """The problem as an error to raise."""
    return PredictorScriptError(
        problem.message, problem.expected, problem.mend, cause=problem.cause, file=file, line=problem.line
    )


def blame(exc: BaseException, script: Path, *, package: str, doing: str, otherwise: Cause) -> PredictorScriptError:
    """The error that says which line of the author's it was; raise it `from exc`.

    `exc` keeps only the frames from the author's first on, so that whoever prints it shows none of ours.

    Args:
        exc: what came out of the author's code.
        script: the predictor script; every file in its folder is the author's.
        package: name of the package that relative imports resolve in.
        doing: what the code was expected to do, to end the sentence "Expected …".
        otherwise: the cause when the exception itself tells none.
    """
    folder = script.parent
    exc.__traceback__ = _from_first_own_frame(exc.__traceback__, folder)
    file, line = _own_place(exc, folder) or (script.name, None)
    place = file if line is None else f"{file}, line {line}"
    cause, what, mend = _told_by(exc, package, place, script.name) or (
        otherwise,
        _one_line(exc, package),
        f"Mend {place}.",
    )
    if isinstance(exc, SyntaxError) and exc.filename and _is_in(exc.filename, folder):
        file = os.path.relpath(exc.filename, folder)
        return error_of(syntax_problem(exc, file), file)
    return PredictorScriptError(what, f"Expected {doing}.", mend, cause=cause, file=file, line=line)


def own_frames(error: BaseException) -> tuple[str, ...]:
    """The author's frames under an error made by `blame`, as lines, innermost last; none for other errors."""
    if error.__cause__ is None:
        return ()
    text = "".join(traceback.format_exception(error.__cause__))
    # Where the files were fetched to means nothing to their author: `File "predictor.py", line 12`.
    frames = list(_frames(error.__cause__.__traceback__))
    if isinstance(error, PredictorScriptError) and frames:
        folder = frames[0].tb_frame.f_code.co_filename.rpartition("/")[0]
        text = text.replace(f'File "{folder}/', 'File "')
    return tuple(text.rstrip().splitlines())


def line_of(function: object) -> int | None:
    """Where a function is defined, when it is one of Python's."""
    code = getattr(function, "__code__", None)
    return code.co_firstlineno if isinstance(code, CodeType) else None


def _told_by(exc: BaseException, package: str, place: str, script: str) -> tuple[Cause, str, str] | None:
    if isinstance(exc, SystemExit):
        said = "" if exc.code is None else repr(exc.code)
        return Cause.SCRIPT_EXITED, f"The script called sys.exit({said}).", f"Raise an exception instead in {place}."
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        return Cause.PACKAGE_MISSING, _one_line(exc, package), _how_to_get(exc.name, package, script)
    return None


def _how_to_get(module: str, package: str, script: str) -> str:
    delivered = "nly the script and the configuration file are delivered"
    if module.startswith(f"{package}."):
        beside = module.removeprefix(f"{package}.").replace(".", "/")
        move = f"move what it needs of {beside}.py into {script}"
        return f"O{delivered}: {move}, or install it as a package."
    top, _, rest = module.partition(".")
    install = f"Add package {_PACKAGES.get(top, top)!r} to the environment"
    if rest:
        install += f", in a version that has {module}"
    move = f"move what it needs of {top}.py into {script}, or install it as a package"
    return f"{install}. If {top} is a file of yours: o{delivered}, so {move}."


def _one_line(exc: BaseException, package: str) -> str:
    """`ValueError: text`, as a sentence and without the name of a package that the author never gave."""
    text = str(exc).strip().replace(f"{package}.", ".")
    text = text.replace(f"'{package}' (unknown location)", "the folder of the script")
    line = f"{type(exc).__name__}: {text}" if text else type(exc).__name__
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _own_place(exc: BaseException | None, folder: Path) -> tuple[str, int] | None:
    """The innermost of the author's lines; of the cause, where the exception was made elsewhere in its stead."""
    if exc is None:
        return None
    places = [
        (os.path.relpath(frame.tb_frame.f_code.co_filename, folder), frame.tb_lineno)
        for frame in _frames(exc.__traceback__)
        if _is_in(frame.tb_frame.f_code.co_filename, folder)
    ]
    return places[-1] if places else _own_place(exc.__cause__, folder)


def _from_first_own_frame(frames: TracebackType | None, folder: Path) -> TracebackType | None:
    return next((frame for frame in _frames(frames) if _is_in(frame.tb_frame.f_code.co_filename, folder)), None)


def _frames(frames: TracebackType | None) -> Iterator[TracebackType]:
    while frames is not None:
        yield frames
        frames = frames.tb_next


def _is_in(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder)
