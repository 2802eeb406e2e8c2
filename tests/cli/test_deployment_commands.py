"""`moorage deployment …` over a real store and ledger."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from moorage import lifecycle
from moorage.cli import app
from moorage.errors import CallerError, InferenceFailed, IntegrityError, MoorageError, NotFound
from moorage.ledger import Change, Event, LedgerState
from moorage.serving.local.folder import DeploymentFolder, ServerStatus, SupervisorStatus, Wanted
from moorage.serving.verdict import Verdict
from moorage.site import Site
from moorage.startup import Cause
from tests.cli.terminal import moorage
from tests.values import a_revision

VERDICT = Verdict(Cause.SCRIPT_ERROR, "it raised", file="predictor.py", line=7)
FULL = replace(VERDICT, mend="Mend it.", evidence=("a line",))


@pytest.fixture
def stopped(site):
    """A site with one deployment that was live, as stopping it has left it: no process is needed for that."""
    record(site, Event.STOPPED, live=a_revision(), stopped=True)
    DeploymentFolder(site.settings.home / "local/default/iris").write_wanted(Wanted("token", run=False, revision=1))
    return site


def record(site: Site, event: Event, *, reason: str = "", verdict: Verdict | None = None, **state: object) -> None:
    after = LedgerState.model_validate({"last_number": 1, **state})
    site.ledger("iris").record(lambda _: Change(event, after, 1, reason, verdict))


def test_an_empty_list_says_how_to_make_a_deployment(site):
    assert "No deployments yet. `moorage deployment apply -f FILE` makes one." in moorage("deployment", "list")


def test_an_empty_list_is_json_too(site):
    assert json.loads(moorage("deployment", "list", "--json")) == []


def test_the_list_shows_each_deployment_in_a_line(stopped):
    header, line = moorage("deployment", "list").splitlines()
    assert header.split() == ["NAME", "STATE", "REVISION", "MODEL", "ENDPOINT"]
    assert line.split() == ["iris", "Stopped", "-", "iris_classifier", "version", "1", "-"]


FILTERS = {
    "its model": ("--model", "iris_classifier", True),
    "another model": ("--model", "wine", False),
    "its state": ("--status", "stopped", True),
    "another state": ("--status", "RUNNING", False),
    "part of its name": ("--name", "RI", True),
    "another name": ("--name", "wine", False),
}


@pytest.mark.parametrize(("option", "value", "is_listed"), FILTERS.values(), ids=FILTERS.keys())
def test_the_list_is_narrowed_down(stopped, option, value, is_listed):
    told = moorage("deployment", "list", option, value)
    assert ("iris" in told) is is_listed
    assert ("No such deployments." in told) is not is_listed


def test_a_state_that_there_is_not_is_named_with_those_that_there_are(stopped):
    with pytest.raises(CallerError, match=r"There is no state 'sleeping'. States are Creating, .*Stopped"):
        moorage("deployment", "list", "--status", "sleeping")


def test_the_list_as_json_has_what_status_has(stopped):
    [listed] = json.loads(moorage("deployment", "list", "--json"))
    assert listed == json.loads(moorage("deployment", "status", "iris", "--json"))


def test_the_status_of_a_stopped_deployment_as_json(stopped):
    assert json.loads(moorage("deployment", "status", "iris", "--json")) == {
        "name": "iris",
        "state": "Stopped",
        "stage": "stopped",
        "serving": None,
        "live": 1,
        "in_flight": None,
        "model": "iris_classifier version 1",
        "artifact_version": 1,
        "endpoint": None,
        "processes": [],
        "restarts": 0,
        "verdict": None,
        "last_failure": None,
    }


def fail(site: Site, **state: Any) -> None:
    failure = {"revision": 2, "verdict": FULL.to_dict()}
    record(site, Event.RESTORED, last_number=2, last_failure=failure, **state)


def test_the_status_tells_why_nothing_serves(site):
    fail(site)
    shown = moorage("deployment", "status", "iris")
    assert "Revision 2 failed:\nSCRIPT_ERROR at predictor.py:7\nit raised\nMend it.\n  a line" in shown
    status = json.loads(moorage("deployment", "status", "iris", "--json"))
    assert (status["last_failure"]["revision"], status["last_failure"]["verdict"]["line"]) == (2, 7)


NOT_FOR_THE_FAILURE = {"stopped": {"stopped": True}, "tried again": {"candidate": a_revision(3)}}


@pytest.mark.parametrize("state", NOT_FOR_THE_FAILURE.values(), ids=NOT_FOR_THE_FAILURE.keys())
def test_the_status_does_not_tell_a_failure_that_is_not_why_nothing_serves(site, state):
    fail(site, **state)
    assert "failed" not in moorage("deployment", "status", "iris")


def spoil(site: Site) -> None:
    newest = next(iter(site.store.list("Projects/default/Ledger/iris/")))
    (site.settings.home / "store" / newest.key).write_bytes(b"{")


def test_a_deployment_with_an_unreadable_ledger_has_its_line_in_the_list(stopped):
    spoil(stopped)
    assert moorage("deployment", "list").splitlines()[1].split()[:2] == ["iris", "unreadable"]
    [listed] = json.loads(moorage("deployment", "list", "--json"))
    assert "Ledger/iris/" in listed["stage"]


def test_the_status_of_a_deployment_with_an_unreadable_ledger_says_why(stopped):
    spoil(stopped)
    with pytest.raises(IntegrityError, match="Ledger/iris/"):
        CliRunner().invoke(app, ["deployment", "status", "iris"], catch_exceptions=False)


def test_the_status_for_people_leaves_out_what_there_is_not(stopped):
    shown = moorage("deployment", "status", "iris")
    assert "Stopped (stopped)" in shown
    assert "iris_classifier version 1" in shown
    assert "endpoint" not in shown
    assert "None" not in shown


def test_another_project_has_its_own_deployments(stopped):
    assert json.loads(moorage("deployment", "list", "--json", "--project", "other")) == []


def test_the_history_tells_who_did_what_and_why(site):
    record(site, Event.PROPOSED, reason="new data", candidate=a_revision())
    record(site, Event.FAILED, verdict=VERDICT)
    header, proposed, failed, summary = moorage("deployment", "history", "iris").splitlines()
    assert header.split() == ["TIME", "REVISION", "EVENT", "BY", "WHY"]
    assert "PROPOSED" in proposed
    assert "new data" in proposed
    assert "SCRIPT_ERROR at predictor.py:7" in failed
    assert summary.strip() == "it raised"


def test_the_full_history_tells_what_to_do_and_what_was_seen(site):
    record(site, Event.FAILED, verdict=FULL)
    lines = [line.strip() for line in moorage("deployment", "history", "iris", "--full").splitlines()]
    assert lines[2:] == ["it raised", "Mend it.", "a line"]


def test_the_history_as_json_is_whole(site):
    record(site, Event.FAILED, verdict=VERDICT)
    [entry] = json.loads(moorage("deployment", "history", "iris", "--json"))
    assert (entry["seq"], entry["event"], entry["revision"], entry["actor"]) == (1, "FAILED", 1, site.actor)
    assert Verdict.from_dict(entry["verdict"]) == VERDICT


@pytest.mark.parametrize("reason", ["fix [jira-12]", "back [/x]", "[bold]now"])
def test_square_brackets_in_a_reason_are_shown_as_they_are(site, reason):
    record(site, Event.PROPOSED, reason=reason, candidate=a_revision())
    assert reason in moorage("deployment", "history", "iris")


def test_logs_of_what_wrote_none_are_empty(stopped):
    assert moorage("deployment", "logs", "iris") == ""


def test_stopping_what_is_stopped_is_fine(stopped):
    assert moorage("deployment", "stop", "iris") == "iris: Stopped\n"


def test_deleting_asks_first(stopped):
    done = CliRunner().invoke(app, ["deployment", "delete", "iris"], input="n\n")
    assert done.exit_code == 1
    assert [view.name for view in lifecycle.deployments(stopped)] == ["iris"]


def test_deleting_with_yes_asks_nothing(stopped):
    assert moorage("deployment", "delete", "iris", "--yes") == "iris: deleted\n"
    assert lifecycle.deployments(stopped) == []


@pytest.fixture
def answering(site) -> Iterator[list[object]]:
    """A deployment whose server always answers the same; yields the bodies that it was asked with."""
    bodies: list[object] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"predictions": ["setosa"]}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's word
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        record(site, Event.PROMOTED, live=a_revision())
        folder = DeploymentFolder(site.settings.home / "local/default/iris")
        folder.write_wanted(Wanted("token", run=True, revision=1))
        us = ServerStatus(1, os.getpid(), psutil.Process().create_time() - psutil.boot_time())
        folder.write_status(SupervisorStatus(us.pid, "token", "127.0.0.1", server.server_port, serving=us))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield bodies
        server.shutdown()
        thread.join()


QUESTIONS = {
    "rows": (["--inputs", "[[1, 2]]"], "", {"instances": [[1, 2]]}),
    "a body": (["--data", '{"inputs": [[1]], "id": 7}'], "", {"inputs": [[1]], "id": 7}),
    "rows in a file": (["--file", "question.json"], "[[1, 2]]", {"instances": [[1, 2]]}),
    "a body in a file": (["--file", "question.json"], '{"inputs": [[1]]}', {"inputs": [[1]]}),
}


@pytest.mark.parametrize(("options", "text", "body"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_predict_asks_and_prints_the_predictions(answering, tmp_path, monkeypatch, options, text, body):
    (tmp_path / "question.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert json.loads(moorage("deployment", "predict", "iris", *options)) == ["setosa"]
    assert answering == [body]


def test_the_whole_endpoint_is_listed_though_the_line_is_long(answering, site):
    endpoint = lifecycle.view(site, "iris").seen.endpoint
    assert f"{endpoint}/v1/models/iris:predict" in moorage("deployment", "list")


def test_the_status_of_what_nobody_supervises_says_what_to_do(answering):
    shown = moorage("deployment", "status", "iris")
    assert "SUPERVISOR_GONE" in shown
    assert "Run `moorage deployment start iris`." in shown


REFUSED: dict[str, tuple[list[str], type[MoorageError], str]] = {
    "nothing to ask": ([], CallerError, "Exactly one of --inputs, --data and --file"),
    "two things to ask": (["--inputs", "[[1]]", "--data", "{}"], CallerError, "Exactly one of"),
    "no JSON": (["--inputs", "[[1"], CallerError, "That is not JSON.*Mind the shell's quotes"),
    "not running": (["--inputs", "[[1]]"], InferenceFailed, "not running. Run `moorage deployment start iris`"),
    "no such file": (["--file", "/nowhere/inputs.json"], NotFound, "/nowhere/inputs.json"),
}


@pytest.mark.parametrize(("options", "error", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_predict_says_what_is_wrong_with_the_question(stopped, options, error, message):
    with pytest.raises(error, match=message):
        CliRunner().invoke(app, ["deployment", "predict", "iris", *options], catch_exceptions=False)


def test_stopping_what_is_not_there_names_what_is(stopped):
    with pytest.raises(NotFound, match=r"no deployment 'roses'.*Deployments: iris"):
        CliRunner().invoke(app, ["deployment", "stop", "roses"], catch_exceptions=False)


def test_the_history_by_deploy_has_a_line_for_each_and_what_came_of_it(site):
    record(site, Event.PROPOSED, reason="make demo", candidate=a_revision())
    record(site, Event.APPLIED, candidate=a_revision())
    record(site, Event.FAILED, verdict=VERDICT)
    header, line, *_ = moorage("deployment", "history", "iris", "--deploys").splitlines()
    assert header.split() == ["TIME", "REVISION", "OUTCOME", "TOOK", "MODEL", "REPLACED", "BY", "WHY"]
    assert line.split()[2:4] == ["1", "failed"]
    [told] = json.loads(moorage("deployment", "history", "iris", "--deploys", "--json"))
    assert (told["outcome"], told["why"], told["verdict"]["cause"]) == ("FAILED", "make demo", "SCRIPT_ERROR")
    assert told["model"]["digest"] == a_revision().model.digest
    assert [step["name"] for step in told["steps"]] == ["provision predictor", "wait for ready, smoke test"]
