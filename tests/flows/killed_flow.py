"""Runs deploy_model and ends itself, by SIGKILL, at the moment that the command line names.

    python tests/flows/killed_flow.py SPEC.json step_began "smoke test"

The moment is read from the records that the tasks log, so nothing of the flow is changed.
"""

import logging
import os
import signal
import sys
from pathlib import Path

from flows.deploy_model import deploy_model
from moorage.deployment import DeploymentSpec
from moorage.predictor import ModelSource

kind, moment = sys.argv[2:4]


class Killer(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        told = getattr(record, kind, None)
        if getattr(told, "name", told) == moment:
            os.kill(os.getpid(), signal.SIGKILL)


logging.getLogger("tasks").addHandler(Killer())
logging.getLogger("tasks").setLevel(logging.INFO)
source = ModelSource(path=os.environ["MODEL_PATH"]) if "MODEL_PATH" in os.environ else None
deploy_model(DeploymentSpec.model_validate_json(Path(sys.argv[1]).read_text()), model_files=source)
