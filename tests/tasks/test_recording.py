"""The report of a deploy, collected from its steps; there is no Prefect server to publish it to."""

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE, temporary_settings

from moorage.errors import NotFound, ProvisionFailed, Superseded
from moorage.report import DeployReport, Outcome
from moorage.rollout import Restored
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from tasks.recording import Recording, note, recorded_step, recording
from tasks.step import step

VERDICT = Verdict(Cause.SCRIPT_ERROR, "it raised")


@step("add one")
def add_one(number: int) -> int:
    """Adds one."""
    note(last_number=number)
    return number + 1


@pytest.fixture(autouse=True)
def _no_server():
    """Prefect finds no server, and may not start one."""
    with temporary_settings({PREFECT_API_URL: None, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False}):
        yield


def report_of(record: Recording) -> DeployReport:
    assert record.report is not None
    return record.report


def fail(error: BaseException, *, restored: Restored | None = None) -> DeployReport:
    """The report of a deploy of revision 2 that raised."""
    with pytest.raises(type(error)), recording("iris") as record:  # noqa: PT012 -- what is recorded is looked at
        record.revision, record.restored = 2, restored
        raise error
    return report_of(record)


def test_the_steps_taken_inside_are_timed_in_their_order():
    with recording("iris") as record:
        assert add_one.fn(1) == 2
        with recorded_step("look"):
            pass
    assert [(timing.name, timing.ok) for timing in record.steps] == [("add one", True), ("look", True)]
    assert record.steps[0].began_s <= record.steps[1].began_s


def test_a_step_that_raised_is_kept_as_failed():
    with pytest.raises(NotFound, match="None"), recording("iris") as record, recorded_step("look"):
        raise NotFound("None.")
    assert [(timing.name, timing.ok) for timing in report_of(record).steps] == [("look", False)]


def test_what_is_noted_becomes_the_reports_facts():
    with recording("iris") as record:
        add_one.fn(1)
        note(endpoint="http://x", artifact_version=3)
        record.succeeded(Outcome.LIVE)
    assert report_of(record).facts == (("last number", "1"), ("endpoint", "http://x"), ("artifact version", "3"))


def test_a_later_note_replaces_an_earlier_one():
    with recording("iris") as record:
        add_one.fn(1)
        add_one.fn(2)
    assert record.facts == {"last number": "2"}


def test_what_comes_after_a_recording_is_not_in_it():
    with recording("iris") as record:
        pass
    add_one.fn(1)
    assert (record.facts, record.steps) == ({}, [])


def test_a_deploy_inside_another_is_recorded_by_itself():
    with recording("outer") as outer:
        with recording("inner") as inner:
            add_one.fn(1)
        add_one.fn(5)
    assert (inner.facts, outer.facts) == ({"last number": "1"}, {"last number": "5"})


def test_a_deploy_that_went_well_serves_what_it_was_about():
    with recording("iris") as record:
        record.revision, record.endpoint = 2, "http://x"
        report = record.succeeded(Outcome.LIVE)
    assert (report.outcome, report.revision, report.serving, report.endpoint) == (Outcome.LIVE, 2, 2, "http://x")


FAILED: dict[str, tuple[BaseException, Restored | None, tuple[Outcome, int | None, Cause | None]]] = {
    "restored": (ProvisionFailed("iris", 2, VERDICT), Restored(1, VERDICT), (Outcome.RESTORED, 1, Cause.SCRIPT_ERROR)),
    "nothing to go back to": (
        ProvisionFailed("iris", 2, VERDICT),
        Restored(None, VERDICT),
        (Outcome.FAILED, None, Cause.SCRIPT_ERROR),
    ),
    "kept": (
        ProvisionFailed("iris", 2, VERDICT),
        Restored(None, VERDICT, kept=True),
        (Outcome.FAILED, None, Cause.SCRIPT_ERROR),
    ),
    "never provisioned": (ProvisionFailed("iris", 2, VERDICT), None, (Outcome.FAILED, None, Cause.SCRIPT_ERROR)),
    "an error without a verdict": (NotFound("None."), None, (Outcome.FAILED, None, None)),
    "superseded": (Superseded("iris", 2, "it was stopped"), None, (Outcome.SUPERSEDED, None, None)),
    "interrupted": (KeyboardInterrupt(), None, (Outcome.INTERRUPTED, None, Cause.INTERRUPTED)),
    "interrupted and restored": (
        KeyboardInterrupt(),
        Restored(1, Verdict(Cause.INTERRUPTED, "by hand")),
        (Outcome.INTERRUPTED, 1, Cause.INTERRUPTED),
    ),
}


@pytest.mark.parametrize(("error", "restored", "expected"), FAILED.values(), ids=FAILED.keys())
def test_a_deploy_that_raised_is_reported_with_what_came_of_it(error, restored, expected):
    report = fail(error, restored=restored)
    assert (report.outcome, report.serving, report.verdict and report.verdict.cause) == expected
    assert report.error == str(error)


def test_a_deploy_that_was_superseded_says_by_what():
    report = fail(Superseded("iris", 2, "revision 3 is wanted now"))
    assert report.headline == "revision 2 of iris was superseded: revision 3 is wanted now"


TAKEN_BACK = {"restored": Restored(1, VERDICT), "stopped": Restored(None, VERDICT)}


@pytest.mark.parametrize("restored", TAKEN_BACK.values(), ids=TAKEN_BACK.keys())
def test_a_revision_that_was_taken_back_is_reported_so(restored):
    assert fail(KeyboardInterrupt(), restored=restored).taken_back


def test_a_revision_that_was_kept_is_not_reported_as_taken_back():
    assert not fail(KeyboardInterrupt(), restored=Restored(None, VERDICT, kept=True)).taken_back


def test_a_deploy_that_was_restored_tells_the_verdict_it_was_restored_for():
    other = Verdict(Cause.NOT_READY_IN_TIME, "the last good one did not come back")
    assert fail(ProvisionFailed("iris", 1, other), restored=Restored(1, VERDICT)).verdict == VERDICT


def test_a_deploy_that_says_nothing_of_its_end_has_no_report():
    with recording("iris") as record:
        pass
    assert record.report is None


def test_a_report_that_cannot_be_published_is_a_warning(caplog):
    with recording("iris") as record:
        record.succeeded(Outcome.LIVE)
    assert "deployment iris: the report could not be published" in caplog.text


def test_steps_and_report_are_told_to_whoever_narrates(caplog):
    caplog.set_level("INFO", logger="tasks.recording")
    with recording("iris") as record:
        add_one.fn(1)
        record.succeeded(Outcome.LIVE)
    told = [vars(entry) for entry in caplog.records]
    assert [entry["step_began"] for entry in told if "step_began" in entry] == ["add one"]
    assert [entry["step_ended"].name for entry in told if "step_ended" in entry] == ["add one"]
    assert [entry["report"] for entry in told if "report" in entry] == [record.report]
