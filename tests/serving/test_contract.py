"""What every backend keeps, shown on real model servers."""

import httpx
import pytest

from moorage.deployment import State
from moorage.errors import BackendUnavailable
from moorage.inference.client import InferenceClient
from moorage.inference.protocol import MODEL_DIGEST_HEADER, REVISION_HEADER
from moorage.startup import Cause
from tests.serving.conftest import DOUBLE
from tests.waiting import until

RAISES = "class Predictor:\n    def predict(self, inputs):\n        raise ValueError('no such column')\n"


def serve(backend, revision):
    backend.apply(revision)
    seen = until(lambda: settled(backend, revision.number), timeout_s=60, what="serving")
    assert seen.verdict is None
    return seen


def settled(backend, number):
    seen = backend.observe("double")
    return seen if seen.serves(number) or seen.verdict else None


def ask(backend, value=21):
    with backend.reach("double") as there, InferenceClient(there.url, "double", host=there.host) as client:
        return client.predict(inputs=[[value]])


def test_what_was_never_applied_is_created_and_has_no_endpoint(backend):
    assert backend.observe("double").state is State.CREATED
    assert backend.endpoint("double") is None
    assert backend.logs("double") == ()


def test_an_applied_revision_answers_with_its_identity(backend, workshop):
    revision = workshop.revision()
    seen = serve(backend, revision)
    answer = ask(backend)
    assert (seen.state, answer.predictions) == (State.RUNNING, [42])
    assert answer.headers[REVISION_HEADER] == str(revision.number)
    assert answer.headers[MODEL_DIGEST_HEADER] == revision.model.digest


def test_applying_what_serves_changes_nothing(backend, workshop):
    revision = workshop.revision()
    before = serve(backend, revision)
    assert serve(backend, revision).processes == before.processes


def test_a_new_revision_replaces_the_old_one_at_the_same_endpoint(backend, workshop):
    endpoint = serve(backend, workshop.revision(factor=2)).endpoint
    assert serve(backend, workshop.revision(factor=3)).endpoint == endpoint
    assert [ask(backend).predictions for _ in range(20)] == [[63]] * 20


def test_a_revision_that_cannot_answer_never_gets_a_request(backend, workshop):
    serve(backend, workshop.revision())
    backend.apply(workshop.revision(script=RAISES))
    seen = until(lambda: (seen := backend.observe("double")) and seen.verdict and seen, timeout_s=60)
    assert (seen.verdict.cause, seen.verdict.where) == (Cause.PREDICT_ERROR, "predictor.py:3")
    assert (seen.serving, ask(backend).predictions) == (1, [42])


def test_applying_the_old_revision_again_keeps_its_process(backend, workshop):
    good = workshop.revision()
    before = serve(backend, good)
    backend.apply(workshop.revision(script=RAISES))
    until(lambda: backend.observe("double").verdict, timeout_s=60)
    after = serve(backend, good)
    assert (after.processes, after.verdict) == (before.processes, None)


def test_logs_are_those_of_the_revision_asked_for(backend, workshop):
    serve(backend, workshop.revision(script="print('the first')\n" + DOUBLE))
    backend.apply(workshop.revision(script="print('the second')\n" + RAISES))
    until(lambda: backend.observe("double").verdict, timeout_s=60)
    assert "the first" in backend.logs("double", revision=1)
    assert "the second" in backend.logs("double")


def test_stop_ends_it_and_stopping_again_is_fine(backend, workshop):
    endpoint = serve(backend, workshop.revision()).endpoint
    backend.stop("double")
    backend.stop("double")
    until(lambda: backend.observe("double").state is State.STOPPED, timeout_s=60)
    assert backend.endpoint("double") is None
    with pytest.raises(httpx.ConnectError):
        httpx.get(endpoint, trust_env=False)


def test_delete_leaves_nothing_and_deleting_again_is_fine(backend, workshop):
    serve(backend, workshop.revision())
    with pytest.raises(BackendUnavailable, match="still stopping"):
        backend.delete("double")
    until(lambda: backend.observe("double").state is State.STOPPED, timeout_s=60)
    backend.delete("double")
    until(lambda: backend.observe("double").state is State.CREATED, timeout_s=60)
    backend.delete("double")
    assert backend.observe("double").state is State.CREATED


def test_a_plan_changes_nothing(backend, workshop):
    plan = backend.plan(workshop.revision())
    assert plan.obstacles == ()
    assert backend.observe("double").state is State.CREATED
