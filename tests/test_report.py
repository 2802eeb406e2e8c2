"""The report of a deploy: headline, markdown."""

import pytest

from moorage.report import DeployReport, Outcome, as_markdown, size_in_words
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from moorage.waterfall import StepTiming

VERDICT = Verdict(
    Cause.SCRIPT_ERROR,
    "KeyError: 'weights'.",
    "A dict with weights.",
    "Mend the script.",
    file="predictor.py",
    line=7,
    evidence=("predictor.py:7 in load",),
)
STEPS = (StepTiming("register model", 0, 1), StepTiming("wait for ready", 1, 3, ok=False))


HEADLINES = {
    "live": (DeployReport("iris", Outcome.LIVE, revision=2, serving=2), "revision 2 of iris is live"),
    "nothing to do": (
        DeployReport("iris", Outcome.NOTHING_TO_DO, revision=2),
        "nothing to do: revision 2 of iris is live and unchanged",
    ),
    "restored": (
        DeployReport("iris", Outcome.RESTORED, revision=2, serving=1),
        "revision 2 of iris failed and was taken back; revision 1 serves on",
    ),
    "failed": (DeployReport("iris", Outcome.FAILED, revision=2), "revision 2 of iris failed"),
    "superseded": (
        DeployReport("iris", Outcome.SUPERSEDED, revision=2, superseded_by="revision 3 is wanted now"),
        "revision 2 of iris was superseded: revision 3 is wanted now",
    ),
    "interrupted": (
        DeployReport("iris", Outcome.INTERRUPTED, revision=2, serving=1, taken_back=True),
        "revision 2 of iris was interrupted and taken back; revision 1 serves on",
    ),
    "interrupted as the first": (
        DeployReport("iris", Outcome.INTERRUPTED, revision=1, taken_back=True),
        "revision 1 of iris was interrupted and taken back; nothing serves",
    ),
    "interrupted early": (DeployReport("iris", Outcome.INTERRUPTED), "iris was interrupted"),
    "failed early": (DeployReport("iris", Outcome.FAILED), "iris was not deployed"),
}


@pytest.mark.parametrize(("report", "headline"), HEADLINES.values(), ids=HEADLINES.keys())
def test_the_headline_says_what_came_of_it(report, headline):
    assert report.headline == headline
    assert f"**{headline}.**" in as_markdown(report)


def test_the_verdict_is_told_with_its_place_and_the_way_out():
    text = as_markdown(DeployReport("iris", Outcome.FAILED, revision=2, verdict=VERDICT))
    assert "## Verdict: SCRIPT_ERROR at `predictor.py:7`" in text
    assert "KeyError: 'weights'." in text
    assert "**What to do:** Mend the script." in text
    assert "```\npredictor.py:7 in load\n```" in text


def test_a_failure_without_a_verdict_tells_its_error():
    text = as_markdown(DeployReport("iris", Outcome.FAILED, error="There is no model."))
    assert "## What happened\n\nThere is no model." in text


def test_an_error_that_has_a_verdict_is_told_once():
    text = as_markdown(DeployReport("iris", Outcome.FAILED, verdict=VERDICT, error="Deployment 'iris' failed: …"))
    assert "What happened" not in text


def test_facts_are_a_table():
    text = as_markdown(DeployReport("iris", Outcome.LIVE, facts=(("model", "m version 1"), ("revision", "2"))))
    assert "| | |\n| --- | --- |\n| model | `m version 1` |\n| revision | `2` |" in text


def test_the_waterfall_stands_in_a_fence_with_its_columns_aligned():
    text = as_markdown(DeployReport("iris", Outcome.FAILED, steps=STEPS))
    rows = text.split("```")[1].strip("\n").splitlines()
    assert [row.split()[0] for row in rows] == ["register", "wait"]
    assert len({len(row) for row in rows}) == 1


def test_evidence_cannot_end_its_own_fence():
    verdict = Verdict(Cause.SCRIPT_ERROR, "it raised", evidence=("```", "# not a heading", "a ``` in a line"))
    text = as_markdown(DeployReport("iris", Outcome.FAILED, verdict=verdict, steps=STEPS))
    assert text.count("```") == 4


def test_a_report_of_nothing_has_no_empty_sections():
    assert (
        as_markdown(DeployReport("iris", Outcome.LIVE, revision=1))
        == "# iris: live\n\n**revision 1 of iris is live.**\n"
    )


SIZES = {0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 5 << 20: "5.0 MiB", 7 << 30: "7.0 GiB", 3 << 40: "3.0 TiB"}


@pytest.mark.parametrize(("size", "words"), SIZES.items())
def test_a_size_is_told_as_people_say_it(size, words):
    assert size_in_words(size) == words
