"""The startup report as text and back."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from moorage.startup import MAX_REPORT_BYTES, MAX_TRACEBACK_LINES, Cause, Stage, StartupFailure, StartupReport

FAILURE = StartupFailure(
    Cause.SCRIPT_ERROR,
    "KeyError: 'weights'",
    expected="A dict with weights.",
    mend="Mend predictor.py.",
    file="predictor.py",
    line=7,
    traceback=("predictor.py:3 in __init__", "predictor.py:7 in load"),
)

long_texts = st.one_of(
    st.text(max_size=50),
    st.builds(lambda letter, times: letter * times, st.sampled_from('x"€😀\0\n'), st.integers(100, 5_000)),
)
failures = st.builds(
    StartupFailure,
    cause=st.sampled_from(Cause),
    message=long_texts,
    expected=long_texts,
    mend=long_texts,
    file=st.none() | st.just("predictor.py"),
    line=st.none() | st.integers(1, 10**6),
    traceback=st.lists(long_texts, max_size=30).map(tuple),
)
reports = st.builds(
    StartupReport, revision=st.integers(1, 10**9), stage=st.sampled_from(Stage), failure=st.none() | failures
)


@pytest.mark.parametrize("stage", Stage)
def test_a_report_survives_the_way_through_text(stage):
    report = StartupReport(3, stage, FAILURE if stage is Stage.FAILED else None)
    assert StartupReport.from_json(report.to_json()) == report


@hypothesis_settings(deadline=None)
@given(reports)
def test_a_report_always_fits_and_can_be_read_again(report):
    text = report.to_json()
    read = StartupReport.from_json(text)
    assert len(text.encode()) <= MAX_REPORT_BYTES
    assert read is not None
    assert (read.revision, read.stage, read.failure is None) == (report.revision, report.stage, report.failure is None)


@pytest.mark.parametrize("letter", ["x", "€", "😀", '"', "\0"], ids=["ascii", "3 bytes", "4 bytes", "quote", "control"])
def test_long_texts_in_every_field_are_cut_until_they_fit(letter):
    long = letter * 100_000
    failure = StartupFailure(Cause.SCRIPT_ERROR, long, long, long, traceback=(long,) * 40)
    size = len(StartupReport(1, Stage.FAILED, failure).to_json().encode())
    assert size <= MAX_REPORT_BYTES


def test_a_text_that_was_cut_ends_in_an_ellipsis_and_keeps_its_begin():
    report = StartupReport(1, Stage.FAILED, StartupFailure(Cause.CRASHED, "It broke. " * 1_000))
    read = StartupReport.from_json(report.to_json())
    assert read is not None
    assert read.failure is not None
    assert read.failure.message.startswith("It broke. ")
    assert read.failure.message.endswith("…")


def test_a_long_traceback_keeps_its_inner_end():
    frames = tuple(f"predictor.py:{line}" for line in range(1, 31))
    report = StartupReport(1, Stage.FAILED, StartupFailure(Cause.SCRIPT_ERROR, "deep", traceback=frames))
    read = StartupReport.from_json(report.to_json())
    assert read is not None
    assert read.failure is not None
    assert read.failure.traceback == frames[-MAX_TRACEBACK_LINES:]


def test_the_cause_outlives_any_cut():
    failure = StartupFailure(
        Cause.PACKAGE_MISSING, "x" * 9_999, "x" * 9_999, "x" * 9_999, traceback=("x" * 9_999,) * 99
    )
    read = StartupReport.from_json(StartupReport(1, Stage.FAILED, failure).to_json())
    assert read is not None
    assert read.failure is not None
    assert read.failure.cause is Cause.PACKAGE_MISSING


def test_text_that_is_no_unicode_can_be_told():
    report = StartupReport(1, Stage.FAILED, StartupFailure(Cause.FILES_MISSING, "no file \udcff"))
    assert "no file ?" in report.to_json()


@pytest.mark.parametrize("kept", [0, 1, 20, 60, -1])
def test_a_report_half_written_is_none(kept):
    assert StartupReport.from_json(StartupReport(3, Stage.FAILED, FAILURE).to_json()[:kept]) is None


GARBAGE = {
    "another program's last words": "Segmentation fault",
    "a list": "[1, 2]",
    "a number": "7",
    "null": "null",
    "without a revision": '{"stage": "READY", "failure": null}',
    "without a failure": '{"revision": 1, "stage": "READY"}',
    "unknown stage": '{"revision": 1, "stage": "DANCING", "failure": null}',
    "unknown cause": '{"revision": 1, "stage": "FAILED", "failure": {"cause": "X", "message": "", "traceback": []}}',
    "unknown field": '{"revision": 1, "stage": "FAILED", "failure": {"cause": "CRASHED", "traceback": [], "x": 1}}',
    "failure is text": '{"revision": 1, "stage": "FAILED", "failure": "it broke"}',
    "revision is null": '{"revision": null, "stage": "READY", "failure": null}',
    "revision is no finite number": '{"revision": 1e999, "stage": "READY", "failure": null}',
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_report_is_none(text):
    assert StartupReport.from_json(text) is None
