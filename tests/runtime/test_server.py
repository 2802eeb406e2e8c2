"""The runtime as its users meet it: a process, a socket, HTTP."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

_SCRIPT = """
    import logging, os, pathlib, threading
    print("from print ⚓")
    class Predictor:
        def __init__(self):
            logging.info("loaded 🚢")
            self.stages = []
            self.gate = threading.Event()
        def predict(self, inputs):
            self.stages.append(pathlib.Path(os.environ["MOORAGE_REPORT_FILE"]).read_text())
            if inputs == [["stage"]]:
                return self.stages[0]
            if inputs == [["raise"]]:
                raise ValueError("no such row")
            if inputs == [["exit"]]:
                raise SystemExit(3)
            if inputs == [["nan"]]:
                return float("nan")
            if isinstance(inputs[0], dict):
                folder = pathlib.Path(inputs[0]["folder"])
                (folder / "asked").touch()
                while not (folder / "go").exists():
                    self.gate.wait(0.01)
            return inputs
"""


@pytest.fixture(scope="module")
def server(start_runtime):
    """One server for the tests that only ask."""
    runtime = start_runtime(_SCRIPT, smoke_requests=[{"inputs": [[1, 2]], "expect": [[1, 2]]}])
    with runtime.client() as client:
        assert client.get("/v1/models/iris").json() == {"name": "iris", "ready": True}
    return runtime


def test_a_request_is_answered(server):
    answer = server.ask([[1, "ä"]])
    assert (answer.status_code, answer.json()) == (200, {"predictions": [[1, "ä"]]})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/", "/v1/models/iris", "/nowhere", "/v1/models/nope"])
def test_every_answer_says_which_revision_gave_it(server, path):
    with server.client() as client:
        headers = client.get(path).headers
    assert headers["moorage-revision"] == "3"
    assert headers["moorage-model-digest"] == "sha256:aa"
    assert headers["moorage-artifact-digest"] == "sha256:bb"


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "application/json; charset=utf-8", "application/json"]
)
def test_json_is_read_under_any_content_type(server, content_type):
    with server.client() as client:
        answer = client.post(
            "/v1/models/iris:predict", content=b'{"instances": [[1]]}', headers={"content-type": content_type}
        )
    assert answer.json() == {"predictions": [[1]]}


@pytest.mark.parametrize(
    ("content", "content_type", "said"),
    [
        (b"rows=1", "application/x-www-form-urlencoded", "is not JSON"),
        (b'{"inst', "application/json", "Unrecognized request format"),
        (b'{"rows": 1}', "application/json", 'Send {"instances"'),
        (b"[1]", "application/json", "it is a list"),
    ],
)
def test_a_body_that_cannot_be_read_is_the_callers_fault(server, content, content_type, said):
    with server.client() as client:
        headers = {"content-type": content_type}
        answer = client.post("/v1/models/iris:predict", content=content, headers=headers)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("raise", "ValueError: no such row (predictor.py, line 14)"),
        ("exit", "The script called sys.exit(3) (predictor.py, line 16)"),
        ("nan", "The answer cannot be sent as JSON: predictions is nan (predictor.py, line 9)"),
    ],
)
def test_a_failing_predict_names_file_and_line_and_the_server_lives(server, row, said):
    answer = server.ask([[row]])
    assert (answer.status_code, answer.json()) == (500, {"error": said})
    assert server.ask([[1]]).status_code == 200


def test_the_users_traceback_is_logged_once_without_frames_of_ours(server):
    before = len(server.log())
    server.ask([["raise"]])
    log = server.log()[before:]
    assert log.count("Traceback") == 1
    assert 'raise ValueError("no such row")' in log
    assert "moorage/runtime" not in log


def test_v2_is_pointed_to_v1(server):
    tensor = {"name": "x", "shape": [1], "datatype": "INT32", "data": [1]}
    with server.client() as client:
        answer = client.post("/v2/models/iris/infer", json={"inputs": [tensor]})
    assert answer.status_code == 400
    assert "/v1/models/iris:predict" in answer.json()["error"]


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_nobody_unloads_the_model_over_the_network(server, verb):
    with server.client() as client:
        assert client.post(f"/v2/repository/models/iris/{verb}").status_code == 404
    assert server.ask([[1]]).status_code == 200


def test_other_models_and_explanations_are_not_there(server):
    with server.client() as client:
        assert client.post("/v1/models/nope:predict", json={"instances": [[1]]}).status_code == 404
        assert client.post("/v1/models/iris:explain", json={"instances": [[1]]}).status_code == 501


def test_users_logs_show_and_the_servers_own_do_not(server):
    before = len(server.log())
    server.ask([[1]])
    assert server.log()[before:] == ""
    assert "INFO root: loaded 🚢" in server.log()
    assert "from print ⚓" in server.log()
    assert "Warning" not in server.log()


def test_ready_is_reported_only_after_the_smoke_requests(server):
    assert '"PROVING"' in server.ask([["stage"]]).json()["predictions"]
    assert server.report().stage == "READY"


def test_a_slow_predict_holds_up_no_health_question(server, tmp_path, waiting):
    with ThreadPoolExecutor(1) as pool, server.client() as client:
        slow = pool.submit(server.ask, [{"folder": str(tmp_path)}])
        waiting((tmp_path / "asked").exists)
        assert client.get("/v1/models/iris").status_code == 200
        assert client.get("/v2/health/live").status_code == 200
        assert not slow.done()
        (tmp_path / "go").touch()
    assert slow.result().status_code == 200


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_answers_what_is_in_flight_and_exits_zero(start_runtime, tmp_path, waiting, sent):
    runtime = start_runtime(_SCRIPT)
    with ThreadPoolExecutor(1) as pool, runtime.client() as kept:
        kept.get("/")
        in_flight = pool.submit(runtime.ask, [{"folder": str(tmp_path)}])
        waiting((tmp_path / "asked").exists)
        runtime.process.send_signal(sent)
        waiting(lambda: kept.get("/").headers.get("connection") == "close")
        (tmp_path / "go").touch()
        assert in_flight.result().json() == {"predictions": [{"folder": str(tmp_path)}]}
    assert runtime.ended() == 0
    assert "stopped" in runtime.log()


def test_a_hand_over_between_two_servers_fails_no_request(start_runtime):
    first = start_runtime(_SCRIPT)
    assert first.ask([[1]]).status_code == 200
    second = start_runtime(_SCRIPT, listener=first.listener, number=4)
    seen: list[tuple[int, str]] = []
    stop = threading.Event()

    def keep_asking() -> None:
        with first.client() as client:
            while not stop.is_set():
                answer = client.post("/v1/models/iris:predict", json={"instances": [[1]]})
                seen.append((answer.status_code, answer.headers["moorage-revision"]))

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(keep_asking) for _ in range(4)]
        second.until_ready()
        first.process.send_signal(signal.SIGTERM)
        assert first.ended() == 0
        stop.set()
        for one in asking:
            one.result()
    assert {status for status, _ in seen} == {200}
    assert seen[-1] == (200, "4")


def test_a_thread_of_the_users_own_does_not_keep_a_stopped_server(start_runtime):
    runtime = start_runtime(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "class Predictor:\n    def predict(self, inputs): return inputs"
    )
    assert runtime.ask([[1]]).status_code == 200
    runtime.process.send_signal(signal.SIGTERM)
    assert runtime.ended() == 0


def test_what_an_async_predict_opens_in_the_proof_serves_on(start_runtime):
    script = """
        import asyncio
        class Predictor:
            loop = None
            async def predict(self, inputs):
                self.loop = self.loop or asyncio.get_running_loop()
                return self.loop is asyncio.get_running_loop()
    """
    runtime = start_runtime(script, smoke_requests=[{"inputs": [[1]]}])
    assert runtime.ask([[1]]).json() == {"predictions": True}
