"""Redeploys while users ask: a shorter `tests/benchmarks/redeploy_under_load.py`."""

import os
import signal

from moorage.serving.local.backend import LocalBackend
from tests.load import Load
from tests.serving.test_contract import RAISES, serve
from tests.waiting import until


def test_redeploys_under_load_fail_no_request(backend, workshop):
    endpoint = serve(backend, workshop.revision(factor=2)).endpoint
    with Load(endpoint, "double", [[21]], expect=lambda answer: answer[0] % 21 == 0) as load:
        for factor in (3, 4):
            serve(backend, workshop.revision(factor=factor))
    assert load.failures == []
    assert load.answers.keys() >= {"1", "3"}


def test_a_broken_redeploy_under_load_fails_no_request(backend, workshop):
    endpoint = serve(backend, workshop.revision()).endpoint
    with Load(endpoint, "double", [[21]], expect=lambda answer: answer == [42]) as load:
        backend.apply(workshop.revision(script=RAISES))
        until(lambda: backend.observe("double").verdict, timeout_s=60)
    assert load.failures == []
    assert load.answers.keys() == {"1"}


def test_mending_a_killed_supervisor_under_load_fails_no_request(backend, workshop):
    assert isinstance(backend, LocalBackend)
    revision = workshop.revision()
    endpoint = serve(backend, revision).endpoint
    folder = backend.home / "local" / "default" / "double"
    with Load(endpoint, "double", [[21]], expect=lambda answer: answer == [42]) as load:
        os.kill(int(status_of(folder)["pid"]), signal.SIGKILL)
        until(lambda: backend.observe("double").verdict)
        serve(backend, revision)
    assert load.failures == []


def status_of(folder):
    import json

    return json.loads((folder / "status.json").read_text())
