"""Verdicts: as a sentence, as plain values, and of what a model server reported."""

import json

import pytest

from moorage.serving.verdict import Verdict
from moorage.startup import Cause, StartupFailure

FULL = Verdict(Cause.SCRIPT_ERROR, "it raised.", "No error.", "Mend it.", "predictor.py", 7, ("frame", "line"))

SENTENCES = {
    "all of it": (FULL, "SCRIPT_ERROR at predictor.py:7: it raised. No error. Mend it."),
    "cause and summary": (Verdict(Cause.KILLED, "it was ended."), "KILLED: it was ended."),
    "a file without a line": (
        Verdict(Cause.CLASS_MISSING, "no class.", file="predictor.py"),
        "CLASS_MISSING at predictor.py: no class.",
    ),
    "nothing expected": (Verdict(Cause.KILLED, "it was ended.", mend="Try again."), "KILLED: it was ended. Try again."),
}


@pytest.mark.parametrize(("verdict", "sentence"), SENTENCES.values(), ids=SENTENCES.keys())
def test_a_verdict_is_a_sentence(verdict, sentence):
    assert str(verdict) == sentence


PLACES = {"file and line": ("p.py", 7, "p.py:7"), "file": ("p.py", None, "p.py"), "nowhere": (None, None, "")}


@pytest.mark.parametrize(("file", "line", "where"), PLACES.values(), ids=PLACES.keys())
def test_a_verdict_says_where(file, line, where):
    assert Verdict(Cause.SCRIPT_ERROR, "it raised.", file=file, line=line).where == where


@pytest.mark.parametrize("cause", Cause)
def test_a_verdict_survives_the_way_through_json(cause):
    verdict = Verdict(cause, "it raised.", "No error.", "Mend it.", "predictor.py", 7, ("frame", "line"))
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_a_verdict_without_a_place_survives_too():
    verdict = Verdict(Cause.KILLED, "it was ended.")
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


def test_what_a_model_server_reported_is_a_verdict_with_all_that_was_seen():
    failure = StartupFailure(
        Cause.SCRIPT_ERROR, "it raised.", "No error.", "Mend it.", "predictor.py", 7, traceback=("frame",)
    )
    assert Verdict.of_failure(failure, evidence=["line"]) == FULL
