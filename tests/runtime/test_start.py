"""Starts that fail: each reports its cause and ends with 1, before it listens."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from moorage.startup import Cause, Stage

_PREDICTOR = "class Predictor:\n    def predict(self, inputs): return inputs\n"


@pytest.mark.parametrize(
    ("script", "cause", "line"),
    [
        pytest.param(None, Cause.SCRIPT_MISSING, None, id="no file"),
        pytest.param("class Predictor", Cause.SYNTAX_ERROR, 1, id="syntax"),
        pytest.param("x = 1", Cause.CLASS_MISSING, None, id="class"),
        pytest.param("class Predictor: ...", Cause.METHOD_MISSING, 1, id="method"),
        pytest.param("import nothere\n" + _PREDICTOR, Cause.PACKAGE_MISSING, 1, id="package"),
        pytest.param(_PREDICTOR + "1 / 0", Cause.SCRIPT_ERROR, 3, id="exception"),
        pytest.param("import sys\nsys.exit(0)\n" + _PREDICTOR, Cause.SCRIPT_EXITED, 2, id="exit"),
        pytest.param("class Predictor:\n    def predict(self, inputs): 1 / 0", Cause.PREDICT_ERROR, 2, id="predict"),
        pytest.param("class Predictor:\n    def predict(self, x): return 2", Cause.WRONG_ANSWER, None, id="answer"),
    ],
)
def test_a_bad_script_is_reported(start_runtime, script, cause, line):
    runtime = start_runtime(script, smoke_requests=[{"inputs": [[1]], "expect": [[1]]}])
    assert runtime.ended() == 1
    report = runtime.report()
    assert (report.revision, report.stage) == (3, Stage.FAILED)
    assert (report.failure.cause, report.failure.file, report.failure.line) == (cause, "predictor.py", line)


def test_a_report_and_the_log_carry_the_users_frames_only(start_runtime):
    runtime = start_runtime(_PREDICTOR + "def f(): return 1 / 0\nf()")
    assert runtime.ended() == 1
    assert "in f" in "\n".join(runtime.report().failure.traceback)
    assert "line 4" in runtime.log()
    assert "moorage/runtime" not in runtime.log()


@pytest.mark.parametrize(
    ("raised", "cause"),
    [
        ("IntegrityError('model.pkl differs')", Cause.DIGEST_MISMATCH),
        ("NotFound('no such version')", Cause.FILES_MISSING),
        ("StoreUnavailable('no answer')", Cause.STORE_UNAVAILABLE),
        ("OSError(28, 'No space left on device')", Cause.DISK_FULL),
        ("ModuleNotFoundError('boto3')", Cause.ENVIRONMENT_BROKEN),
        ("RuntimeError('ours')", Cause.INTERNAL),
    ],
)
def test_files_that_cannot_be_fetched_are_reported(start_runtime, raised, cause):
    code = (
        "import sys; from moorage.errors import *; from moorage.runtime.__main__ import main\n"
        f"def fetch(launch): raise {raised}\n"
        "sys.exit(main(fetch=fetch))"
    )
    runtime = start_runtime(_PREDICTOR, command=("-c", code))
    assert runtime.ended() == 1
    assert runtime.report().failure.cause == cause
    assert "Traceback" in runtime.log()


def test_a_file_that_hides_a_package_of_the_model_server_is_reported(start_runtime):
    script = f"import pathlib\npathlib.Path(__file__).with_name('fastapi.py').write_text('x = 1')\n{_PREDICTOR}"
    runtime = start_runtime(script)
    assert runtime.ended() == 1
    failure = runtime.report().failure
    assert failure.cause == Cause.ENVIRONMENT_BROKEN
    assert "rename that file" in failure.mend


def test_a_proof_that_hangs_does_not_keep_the_process(start_runtime):
    script = "import asyncio, threading\nclass Predictor:\n    def predict(self, inputs): threading.Event().wait()"
    runtime = start_runtime(script, smoke_requests=[{"inputs": [[1]]}], smoke_timeout_s=0.1)
    assert runtime.ended() == 1
    assert "did not answer smoke request 1 within 0.1 s" in runtime.report().failure.message


def test_an_async_proof_that_blocks_its_own_event_loop_ends_the_process(start_runtime):
    script = "class Predictor:\n    async def predict(self, inputs):\n        while True: pass"
    runtime = start_runtime(script, smoke_requests=[{"inputs": [[1]]}], smoke_timeout_s=0.1)
    assert runtime.ended() == 1
    report = runtime.report()
    assert (report.stage, report.failure.cause) == (Stage.FAILED, Cause.PREDICT_ERROR)
    assert "did not answer smoke request 1 within 0.1 s" in report.failure.message
    assert "did not answer smoke request 1" in runtime.log()


def test_a_missing_variable_is_told_to_whoever_starts_it_by_hand():
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    command = [sys.executable, "-m", "moorage.runtime"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "MOORAGE_LISTEN_FD (the number of an inherited file descriptor" in done.stderr
    assert "Traceback" not in done.stderr
