"""What was written down in, what is to be seen out."""

from dataclasses import replace

import pytest

from moorage.deployment import State
from moorage.serving.local.folder import ServerStatus, SupervisorStatus, Wanted
from moorage.serving.local.status import read_status, url_of
from moorage.startup import Cause, Stage, StartupFailure

TOKEN, ANOTHER = "token", "another"
OLD, NEW = ServerStatus(1, 101, 1.0, "old"), ServerStatus(2, 102, 2.0, "new")
WANTED = Wanted(TOKEN, run=True, revision=2, identity="new")
STOP = replace(WANTED, run=False)
IDLE = SupervisorStatus(pid=9, token=TOKEN, host="127.0.0.1", port=8080)
STARTING = replace(IDLE, coming=NEW)
SERVING = replace(IDLE, serving=NEW)
BESIDE = replace(IDLE, serving=OLD, coming=NEW, stage="LOADING")
FAILURE = StartupFailure(
    Cause.SCRIPT_ERROR, "it raised.", "No error.", "Mend it.", "predictor.py", 7, ("frame", "line")
)
FAILED = replace(IDLE, failure=FAILURE)
FELL_BACK = replace(IDLE, serving=OLD, failure=FAILURE)

Row = tuple[Wanted | None, SupervisorStatus | None, bool, bool, State, int | None, str, Cause | None]

# wanted, status, supervised, lives -> state, serving, stage, cause
TABLE: dict[str, Row] = {
    "never started": (None, None, False, False, State.CREATED, None, "never started", None),
    "before the supervisor's first word": (WANTED, None, True, False, State.STARTING, None, "handing over", None),
    "starting": (WANTED, STARTING, True, False, State.STARTING, None, "starting", None),
    "answering": (WANTED, SERVING, True, True, State.RUNNING, 2, "answering", None),
    "updating": (WANTED, BESIDE, True, True, State.UPDATING, 1, "loading the predictor script", None),
    "restarting after a crash": (WANTED, SERVING, True, False, State.STARTING, None, "starting", None),
    "stale token": (WANTED, replace(SERVING, token=ANOTHER), True, True, State.UPDATING, 2, "handing over", None),
    "stale token, nothing answers": (
        WANTED,
        replace(IDLE, token=ANOTHER),
        True,
        False,
        State.STARTING,
        None,
        "handing",
        None,
    ),
    "stale failure": (
        WANTED,
        replace(FAILED, token=ANOTHER),
        True,
        False,
        State.STARTING,
        None,
        "handing over",
        None,
    ),
    "failed": (WANTED, FAILED, True, False, State.FAILED, None, "failed", Cause.SCRIPT_ERROR),
    "failed, the old one answers": (WANTED, FELL_BACK, True, True, State.RUNNING, 1, "failed", Cause.SCRIPT_ERROR),
    "failed, and the old one died": (WANTED, FELL_BACK, True, False, State.FAILED, None, "failed", Cause.SCRIPT_ERROR),
    "recovered from a failure": (WANTED, replace(SERVING, failure=FAILURE), True, True, State.RUNNING, 2, "answ", None),
    "supervisor gone": (WANTED, IDLE, False, False, State.FAILED, None, "unsupervised", Cause.SUPERVISOR_GONE),
    "supervisor never came": (WANTED, None, False, False, State.FAILED, None, "unsup", Cause.SUPERVISOR_GONE),
    "orphan answers": (WANTED, SERVING, False, True, State.RUNNING, 2, "unsupervised", Cause.SUPERVISOR_GONE),
    "old orphan answers": (WANTED, BESIDE, False, True, State.RUNNING, 1, "unsupervised", Cause.SUPERVISOR_GONE),
    "stopping": (STOP, SERVING, True, True, State.STOPPING, 2, "finishing the requests", None),
    "stopping, nothing answers": (STOP, IDLE, True, False, State.STOPPING, None, "finishing", None),
    "stopping, an orphan answers": (STOP, SERVING, False, True, State.STOPPING, 2, "finishing", None),
    "stopping, an orphan starts": (STOP, STARTING, False, True, State.STOPPING, None, "finishing", None),
    "stopped": (STOP, SERVING, False, False, State.STOPPED, None, "stopped", None),
    "stopped after a failure": (STOP, FAILED, False, False, State.STOPPED, None, "stopped", None),
}


def observe(wanted=WANTED, status=SERVING, *, supervised=True, lives=True):
    alive = {server.pid for server in status.servers} if status and lives else set()
    return read_status("iris", wanted, status, supervised=supervised, alive=alive)


@pytest.mark.parametrize(
    ("wanted", "status", "supervised", "lives", "state", "serving", "stage", "cause"),
    TABLE.values(),
    ids=TABLE.keys(),
)
def test_a_deployment_stands_as_was_written_and_seen(wanted, status, supervised, lives, state, serving, stage, cause):
    seen = observe(wanted, status, supervised=supervised, lives=lives)
    assert (seen.state, seen.serving, seen.verdict and seen.verdict.cause) == (state, serving, cause)
    assert seen.stage.startswith(stage)


@pytest.mark.parametrize("stage", Stage)
def test_each_stage_of_a_start_is_told_in_words(stage):
    seen = observe(status=replace(STARTING, stage=stage.value), lives=False)
    assert seen.stage not in ("", stage.value)


def test_a_failure_says_where_and_shows_what_was_seen():
    verdict = observe(status=FAILED).verdict
    assert verdict is not None
    assert (verdict.where, verdict.evidence) == ("predictor.py:7", ("frame", "line"))
    assert str(verdict) == "SCRIPT_ERROR at predictor.py:7: it raised. No error. Mend it."


def test_a_crash_is_told_while_the_server_is_started_again():
    assert observe(status=replace(STARTING, crash="it ended by SIGKILL")).stage == "starting; it ended by SIGKILL"


def test_another_stores_revision_with_the_same_number_is_not_taken_for_this_one():
    theirs = replace(SERVING, serving=replace(NEW, identity="theirs"))
    assert observe(status=theirs).state is State.UPDATING


def test_a_supervisor_that_is_gone_is_told_with_the_way_out():
    verdict = observe(supervised=False).verdict
    assert verdict is not None
    assert "still answers, but nothing would restart it" in verdict.summary
    assert verdict.mend == "Run `moorage deployment start iris`."


def test_what_was_applied_is_told_whatever_serves():
    assert [observe(status=status).applied for status in (SERVING, BESIDE, FELL_BACK)] == [2, 2, 2]


def test_restarts_and_the_process_that_answers_are_told():
    seen = observe(status=replace(SERVING, restarts=3))
    assert (seen.restarts, seen.processes) == (3, ("102",))


def test_a_process_that_is_gone_is_not_told():
    assert observe(lives=False).processes == ()


ENDPOINTS = {
    "supervised": (SERVING, True, True, "http://127.0.0.1:8080"),
    "requests wait for a restart": (SERVING, True, False, "http://127.0.0.1:8080"),
    "orphan": (SERVING, False, True, "http://127.0.0.1:8080"),
    "nobody listens": (SERVING, False, False, None),
    "before the first word": (None, True, False, None),
}


@pytest.mark.parametrize(("status", "supervised", "lives", "url"), ENDPOINTS.values(), ids=ENDPOINTS.keys())
def test_the_endpoint_is_where_somebody_listens(status, supervised, lives, url):
    assert observe(status=status, supervised=supervised, lives=lives).endpoint == url


def test_a_supervisor_that_has_no_port_yet_has_no_endpoint():
    assert observe(status=replace(FAILED, port=0), lives=False).endpoint is None


URLS = {
    "127.0.0.1": "http://127.0.0.1:80",
    "0.0.0.0": "http://127.0.0.1:80",  # noqa: S104 -- read, not bound
    "::": "http://[::1]:80",
    "::1": "http://[::1]:80",
    "localhost": "http://localhost:80",
    "10.0.0.7": "http://10.0.0.7:80",
}


@pytest.mark.parametrize(("host", "url"), URLS.items(), ids=URLS.keys())
def test_a_url_reaches_the_listener_from_this_machine(host, url):
    assert url_of(host, 80) == url
