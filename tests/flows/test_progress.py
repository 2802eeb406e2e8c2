"""Progress artifacts of a task in a real flow run, and nothing at all without one."""

import logging
import threading
from typing import Any

import pytest
from prefect import flow, task
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client

from tasks.progress import percentage, progress
from tests.waiting import until


class Told(logging.Handler):
    """What the module tells about what it does."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.fixture
def told():
    logger, handler = logging.getLogger("tasks.progress"), Told()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(before)


def in_a_run(work):
    """Does the work in a task of a flow, as steps do theirs."""

    step: Any = task(name="transfer")(work)

    @flow(name="transfer")
    def transfer():
        step()

    transfer()


def advance(watch, times):
    for _ in range(times):
        watch.advance(1)


def get_artifact(key: str) -> Any:
    return Artifact.get(key)


def delete_artifact(artifact: Any) -> None:
    with get_client(sync_client=True) as client:
        client.delete_artifact(artifact.id)


def shown(key):
    """The artifact's percentage and description; None where there is none."""
    found = get_artifact(key)
    return None if found is None else (found.data, found.description)


@pytest.mark.usefixtures("prefect_server")
def test_a_run_shows_how_far_it_has_come_and_in_the_end_all():
    def work():
        with progress("Upload iris_classifier", "iris_classifier", every_s=0.01) as watch:
            watch.begin(4 << 20)
            watch.advance(1 << 20)
            until(lambda: shown("upload-iris-classifier") == (25.0, "iris_classifier: 1.0 MiB of 4.0 MiB"))
            watch.advance(2 << 20)
            until(lambda: shown("upload-iris-classifier") == (75.0, "iris_classifier: 3.0 MiB of 4.0 MiB"))
            watch.advance(1 << 20)

    in_a_run(work)
    assert shown("upload-iris-classifier") == (100.0, "iris_classifier: 4.0 MiB of 4.0 MiB")


@pytest.mark.usefixtures("prefect_server")
def test_ten_thousand_reports_of_many_threads_are_shown_once_when_they_come_at_once(told):
    def work():
        with progress("many", "many", every_s=600) as watch:
            threads = [threading.Thread(target=lambda: advance(watch, 1250)) for _ in range(8)]
            watch.begin(8 * 1250)
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    in_a_run(work)
    assert told == ["many: 9.8 KiB of 9.8 KiB"]
    assert shown("many") == (100.0, "many: 9.8 KiB of 9.8 KiB")


@pytest.mark.usefixtures("prefect_server")
def test_a_transfer_that_failed_shows_how_far_it_came():
    def work():
        with progress("failed", "failed") as watch:
            watch.begin(2)
            watch.advance(1)
            raise ValueError("cut off")

    with pytest.raises(ValueError, match="cut off"):
        in_a_run(work)
    assert shown("failed") == (50.0, "failed: 1 B of 2 B")


@pytest.mark.usefixtures("prefect_server")
def test_where_nothing_was_reported_nothing_is_shown(told):
    def work():
        with progress("nothing", "nothing"):
            pass

    in_a_run(work)
    assert (shown("nothing"), told) == (None, [])


def test_outside_of_a_run_nothing_is_shown_and_one_line_says_so(told):
    with progress("alone", "alone", every_s=0.001) as watch:
        watch.begin(2)
        watch.advance(1)
    assert told == ["alone: there is no run to show progress in"]


@pytest.mark.usefixtures("prefect_server")
def test_what_prefect_does_not_take_is_tried_once_and_the_work_goes_on(told):
    done = []

    def work():
        with progress("gone", "gone", every_s=0.01) as watch:
            watch.begin(3)
            watch.advance(1)
            delete_artifact(until(lambda: get_artifact("gone")))
            watch.advance(1)
            until(lambda: "not shown any more" in told[-1])
            watch.advance(1)
            done.append(True)

    in_a_run(work)
    assert (done, len(told), get_artifact("gone")) == ([True], 2, None)
    assert told[1].startswith("gone: progress is not shown any more: ")


PERCENTAGES = {
    "none": ((0, 4, False), 0.0),
    "some": ((1, 4, False), 25.0),
    "more than there was": ((5, 4, True), 100.0),
    "nothing to do": ((0, 0, False), 100.0),
    "of an unknown total": ((7, None, False), 0.0),
    "all of an unknown total": ((7, None, True), 100.0),
}


@pytest.mark.parametrize(("known", "percent"), PERCENTAGES.values(), ids=PERCENTAGES.keys())
def test_the_percentage_is_between_0_and_100(known, percent):
    done, total, is_all = known
    assert percentage(done, total, is_all=is_all) == percent
