"""The tree of errors: as drawn, and as far as another process."""

import pickle
import re

import pytest

from moorage import errors
from moorage.errors import (
    CallerError,
    InferenceFailed,
    InvalidSpec,
    MoorageError,
    NotFound,
    NotReadyInTime,
    PredictorScriptError,
    ProvisionFailed,
    StoreUnavailable,
    Violation,
)
from moorage.serving.verdict import Verdict
from moorage.startup import Cause

VERDICT = Verdict(Cause.SCRIPT_ERROR, "it raised.", "No error.", "Mend it.", "predictor.py", 7, ("a line",))
VIOLATIONS = [Violation("5", "model", "there is none.", "One."), Violation("L2", "config_file", "twice.", "Once.")]

EXAMPLES: list[MoorageError] = [
    InvalidSpec("iris", VIOLATIONS),
    ProvisionFailed("iris", 2, VERDICT),
    NotReadyInTime("iris", 2, VERDICT),
    errors.Superseded("iris", 2, "revision 3 is wanted now"),
    errors.BackendRefused("It said no.", "It was to say yes.", "Grant it.", cause=Cause.FORBIDDEN),
    InferenceFailed("It answered 500.", "An answer.", "See the logs.", cause=Cause.PREDICT_ERROR, status=500),
    errors.ServerEnded("It ended.", "It was to run.", "See its log.", cause=Cause.CRASHED, lines=("a line",)),
    PredictorScriptError("It raised.", "No error.", "Mend it.", cause=Cause.SCRIPT_ERROR, file="p.py", line=7),
]
PLAIN = [
    *(MoorageError, CallerError, errors.InvalidName, NotFound, errors.Quarantined),
    *(
        errors.PlatformError,
        StoreUnavailable,
        errors.StoreRefused,
        errors.IntegrityError,
        errors.ObjectMissing,
        errors.BackendUnavailable,
        errors.SecretMissing,
        errors.LogUnavailable,
        errors.LogRefused,
        errors.SomeFailed,
    ),
]
EXAMPLES += [kind("It is so.", "It was to be otherwise.", "Mend it.") for kind in PLAIN]


def defined() -> dict[str, type[MoorageError]]:
    """The classes of the module by name."""
    classes = (value for value in vars(errors).values() if isinstance(value, type))
    return {kind.__name__: kind for kind in classes if issubclass(kind, MoorageError)}


def drawn() -> dict[str, str | None]:
    """The name of each class in the module's tree, with its parent's."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"(?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)(?:\s{2,}|$)", line):
            depth = len(found["branch"]) // 4
            path[depth:] = [found["name"]]
            parents[found["name"]] = path[depth - 1] if depth else None
    return parents


def test_every_error_is_drawn_and_every_drawn_one_exists():
    assert drawn().keys() == defined().keys()


@pytest.mark.parametrize("name", [name for name, parent in drawn().items() if parent])
def test_an_error_stands_in_the_tree_where_it_is_drawn(name):
    assert [parent.__name__ for parent in defined()[name].__bases__] == [drawn()[name]]


def test_just_those_errors_are_transient_that_are_drawn_so():
    marked = set(re.findall(r"(\w+) .*\(transient\)", errors.__doc__ or ""))
    assert {name for name, kind in defined().items() if kind.transient} == marked


def test_there_is_an_example_of_every_error():
    assert {type(example).__name__ for example in EXAMPLES} == defined().keys()


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_reaches_another_process_as_it_is(error):
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 -- our own
    assert type(copy) is type(error)
    assert (str(copy), vars(copy)) == (str(error), vars(error))


MESSAGES = {
    "all three": (NotFound("No model.", "One of a, b.", "Publish it."), "No model. One of a, b. Publish it."),
    "what alone": (NotFound("No model."), "No model."),
    "no expectation": (NotFound("No model.", mend="Publish it."), "No model. Publish it."),
    "one violation": (
        InvalidSpec("iris", VIOLATIONS[:1]),
        "The specification of deployment 'iris' breaks one rule:\n  - model: there is none. One.",
    ),
    "a violation in a file": (
        InvalidSpec("iris", [Violation("5", "model", "there is none.", "One.", place="iris.yaml:7")]),
        "The specification of deployment 'iris' breaks one rule:\n  - iris.yaml:7: model: there is none. One.",
    ),
    "two violations": (
        InvalidSpec("iris", VIOLATIONS),
        "The specification of deployment 'iris' breaks 2 rules:\n"  # noqa: ISC004 -- one message
        "  - model: there is none. One.\n  - config_file: twice. Once.",
    ),
    "with a verdict": (
        ProvisionFailed("iris", 2, VERDICT),
        "Deployment 'iris' revision 2 failed: SCRIPT_ERROR at predictor.py:7: it raised. No error. Mend it.",
    ),
}


@pytest.mark.parametrize(("error", "message"), MESSAGES.values(), ids=MESSAGES.keys())
def test_a_message_says_what_happened_what_was_expected_and_how_to_mend_it(error, message):
    assert str(error) == message


def test_a_time_out_is_caught_as_a_failure_to_provision():
    with pytest.raises(ProvisionFailed, match="SCRIPT_ERROR"):
        raise NotReadyInTime("iris", 2, VERDICT)
