"""One Prefect server for all flow tests, as light as it gets; each test has a home of its own."""

import os

# Before Prefect is imported: without task-run records, flows take a fifth of the time (Prefect's SQLite is slow).
os.environ.setdefault("PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

from pathlib import Path

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from moorage import lifecycle
from moorage.predictor import ModelSource
from moorage.site import Site
from tests.flows.orchestrator import running_orchestrator
from tests.values import a_spec

DOUBLE = """
import os

class Predictor:
    def __init__(self):
        self.factor = int(open(os.environ["MODEL_FILES_PATH"] + "/factor").read())

    def predict(self, inputs):
        return [row[0] * self.factor for row in inputs]
"""


@pytest.fixture(scope="session")
def prefect_server():
    settings = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_LOGGING_TO_API_ENABLED: False}
    with temporary_settings(settings), prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture(scope="session")
def orchestrator(tmp_path_factory):
    """What `make orchestrator` runs, with a home of its own."""
    with running_orchestrator(tmp_path_factory.mktemp("orchestrator")) as orchestrator:
        yield orchestrator


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The site that flows find in the environment; what they started is stopped."""
    monkeypatch.setenv("MOORAGE_HOME", str(tmp_path / "home"))
    site = Site.from_env()
    yield site
    for view in lifecycle.deployments(site):
        lifecycle.stop(site, view.name)


@pytest.fixture
def model(tmp_path):
    """What a training run saved: a model that multiplies."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "factor").write_text("2")
    return ModelSource(path=str(folder), input_example=[[21]])


@pytest.fixture
def write_spec(tmp_path):
    """Makes the specification of a deployment from the text of its script."""

    def write(script: str = DOUBLE, **changes: object):
        path = Path(tmp_path / "predictor.py")
        path.write_text(script)
        requests = [{"inputs": [[21]], "expect": [42]}]
        values = {"name": "double", "model": {"name": "double"}, "script_file": str(path)}
        return a_spec(**(values | {"smoke_test": {"requests": requests}} | changes))

    return write
