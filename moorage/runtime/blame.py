"""From an exception to whose line it was: the author's file, line and own frames."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, TracebackType
from typing import Final

from moorage.errors import PredictorScriptError
from moorage.script import ScriptProblem, place_in, syntax_problem
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
    place = place_in(file, line)
    cause, what, mend = _told_by(exc, package, place, folder) or (
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
    if isinstance(error, PredictorScriptError) and (folder := _folder_of(error.file, error.__cause__)):
        text = text.replace(f'File "{folder}', 'File "')
    return tuple(text.rstrip().splitlines())


def place_of(function: object, script: Path) -> tuple[str, int | None]:
    """The author's file and line where a function is defined; the script without a line when it is not theirs."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or not _is_in(code.co_filename, script.parent):
        return script.name, None
    return os.path.relpath(code.co_filename, script.parent), code.co_firstlineno


def _told_by(exc: BaseException, package: str, place: str, folder: Path) -> tuple[Cause, str, str] | None:
    if isinstance(exc, SystemExit):
        said = "" if exc.code is None else repr(exc.code)
        return Cause.SCRIPT_EXITED, f"The script called sys.exit({said}).", f"Raise an exception instead in {place}."
    if isinstance(exc, ModuleNotFoundError) and exc.name:
        return Cause.PACKAGE_MISSING, _one_line(exc, package), _how_to_get(exc.name, package, folder)
    return None


def _how_to_get(module: str, package: str, folder: Path) -> str:
    is_relative = module.startswith(f"{package}.")
    module = module.removeprefix(f"{package}.")
    top, _, rest = module.partition(".")
    if rest and (folder / top).is_dir():
        return f"Add {module.replace('.', '/')}.py: the folder {top} was delivered without it."
    delivered = "nly the script, the configuration file and further files are delivered"
    if is_relative:
        return f"O{delivered}: name {top}.py, or the folder {top}, among the further files."
    install = f"Add package {_PACKAGES.get(top, top)!r} to the environment"
    if rest:
        install += f", in a version that has {module}"
    return f"{install}. If {top} is a file or a folder of yours: o{delivered}, so name it among the further files."


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


def _folder_of(file: str, exc: BaseException) -> str | None:
    """The folder, with its '/', that the author's file was run in; None when no frame tells."""
    files = [frame.tb_frame.f_code.co_filename for frame in _frames(exc.__traceback__)]
    if isinstance(exc, SyntaxError) and exc.filename:
        files.append(exc.filename)
    return next((found.removesuffix(file) for found in files if found.endswith(f"/{file}")), None)


def _from_first_own_frame(frames: TracebackType | None, folder: Path) -> TracebackType | None:
    return next((frame for frame in _frames(frames) if _is_in(frame.tb_frame.f_code.co_filename, folder)), None)


def _frames(frames: TracebackType | None) -> Iterator[TracebackType]:
    while frames is not None:
        yield frames
        frames = frames.tb_next


def _is_in(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder)
