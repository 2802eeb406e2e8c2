"""Settings that a run takes from the Prefect server, by name: what a whole team shares, and what is secret."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import httpx
from prefect.blocks.system import Secret
from prefect.exceptions import PrefectException
from prefect.variables import Variable

from moorage.errors import BackendUnavailable, CallerError

# Each names what holds a JSON object of environment variables: a Prefect variable, and a block of type Secret.
VARIABLE: Final = "FLOWS_SETTINGS_VARIABLE"
BLOCK: Final = "FLOWS_SECRET_BLOCK"


def take_settings_by_name() -> None:
    """Sets what they hold in this process's environment, once; what is set there already wins.

    Raises:
        CallerError: there is none of that name, or it holds no such object. Its values are not told.
        BackendUnavailable: the Prefect server did not answer.
    """
    for name, load in ((VARIABLE, _variable), (BLOCK, _block)):
        if named := os.environ.get(name):
            for variable, value in _taken(load, named).items():
                os.environ.setdefault(variable, value)


@cache
def _taken(load: Callable[[str], Mapping[str, str]], named: str) -> Mapping[str, str]:
    return load(named)


def _variable(name: str) -> Mapping[str, str]:
    what = f"Prefect variable {name!r}"
    try:
        found = Variable.get(name)
    except (httpx.HTTPError, PrefectException) as error:
        raise _unavailable(what, error) from error
    if found is None:
        raise _missing(what, VARIABLE, f'prefect variable set {name} \'{{"MOORAGE_STORE": "s3://…"}}\'')
    return _checked(found, what)


def _block(name: str) -> Mapping[str, str]:
    what = f"block secret/{name}"
    try:
        found: Any = Secret.load(name)
    except ValueError as error:
        raise _missing(what, BLOCK, "make a block of type Secret on the page Blocks of Prefect's UI") from error
    except (httpx.HTTPError, PrefectException) as error:
        raise _unavailable(what, error) from error
    return _checked(found.get(), what)


def _checked(found: object, what: str) -> Mapping[str, str]:
    try:
        given = json.loads(found) if isinstance(found, str) else found
    except ValueError:
        given = None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise CallerError(
            f"The {what} does not hold settings.",
            'Expected a JSON object of environment variables, each a string: {"MOORAGE_STORE": "s3://bucket/prefix"}.',
            "Change it on its page in Prefect's UI.",
        )
    return given


def _missing(what: str, named_by: str, mend: str) -> CallerError:
    return CallerError(
        f"There is no {what}.", f"{named_by} names it in the environment of the run.", f"Make it: {mend}."
    )


def _unavailable(what: str, error: Exception) -> BackendUnavailable:
    return BackendUnavailable(
        f"The {what} could not be read: {type(error).__name__}: {str(error).rstrip('.')}.",
        "PREFECT_API_URL names the server that has it.",
        "See whether it runs.",
    )
