"""A model server in forty lines: keeps the runtime's side of the contract with the supervisor, and starts at once."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from moorage.startup import Cause, Stage, StartupFailure, StartupReport

revision = json.loads(Path(os.environ["MOORAGE_REVISION_FILE"]).read_text())["number"]
behaviour = sys.argv[1]


def report(stage, failure=None):
    path = Path(os.environ["MOORAGE_REPORT_FILE"])
    stage_file = path.with_suffix(".new")
    stage_file.write_text(StartupReport(revision, stage, failure).to_json())
    stage_file.replace(path)


print("behaviour:", behaviour, flush=True)
report(Stage.LOADING)
if behaviour == "fail":
    report(Stage.FAILED, StartupFailure(Cause.SCRIPT_ERROR, "it raised", file="predictor.py", line=7))
    sys.exit(1)
if behaviour == "crash":
    os._exit(3)
if behaviour == "hang":
    time.sleep(600)
if behaviour == "children":
    print("child:", subprocess.Popen(["sleep", "600"]).pid, flush=True)

listener = socket.socket(fileno=int(os.environ["MOORAGE_LISTEN_FD"]))
listener.listen()
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
report(Stage.READY)
while True:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        body = f"{revision} {os.getpid()}".encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
