from __future__ import annotations

import os

import pytest

from moorage.runtime.report import write_report
from moorage.startup import Cause, Stage, StartupFailure, StartupReport

_FAILED = StartupReport(3, Stage.FAILED, StartupFailure(Cause.PREDICT_ERROR, "ValueError: ⚓"))


def test_a_report_replaces_the_one_before(tmp_path):
    path = tmp_path / "report.json"
    write_report(path, _FAILED)
    write_report(path, StartupReport(3, Stage.READY))
    assert StartupReport.from_json(path.read_text()) == StartupReport(3, Stage.READY)
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_is_written_in_place_where_no_file_can_be_put_beside_it(tmp_path):
    path = tmp_path / "termination-log"
    path.write_text("x" * 5000)
    # a folder has the name that the staged file would get
    (tmp_path / f".{path.name}.{os.getpid()}").mkdir()
    write_report(path, _FAILED)
    assert StartupReport.from_json(path.read_text()) == _FAILED


def test_a_report_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_report(tmp_path / "gone" / "report.json", _FAILED)
