"""What stands in the way of a revision on this machine, told before anything is started."""

import socket
from dataclasses import replace

import pytest

from moorage.predictor import LocalOptions
from moorage.serving.local.backend import LocalBackend
from moorage.startup import Cause
from tests.values import a_revision


@pytest.fixture
def backend(tmp_path):
    return LocalBackend(tmp_path / "home", "default", "file:///srv/store", tmp_path / "secrets")


def obstacle(backend, **local):
    [verdict] = backend.plan(a_revision(local=LocalOptions(**local))).obstacles
    return verdict


def test_a_free_port_is_no_obstacle(backend):
    assert backend.plan(a_revision()).obstacles == ()


def test_a_port_in_use_is_one(backend):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert obstacle(backend, port=taken.getsockname()[1]).cause is Cause.PORT_IN_USE


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_this_machine_is_one(backend, host):
    verdict = obstacle(backend, host=host)
    assert (verdict.cause, "local.host" in verdict.mend) == (Cause.ADDRESS_UNUSABLE, True)


def test_what_another_store_runs_under_the_name_is_one(backend, tmp_path):
    folder = backend._folder("iris")
    folder.write_wanted(backend._wanted(a_revision()))
    theirs = replace(backend, store_url="file:///srv/another")
    [verdict] = theirs.plan(a_revision()).obstacles
    assert (verdict.cause, "MOORAGE_STORE=file:///srv/store" in verdict.mend) == (Cause.ANOTHER_STORE, True)
    folder.write_wanted(replace(backend._wanted(a_revision()), run=False))
    assert theirs.plan(a_revision()).obstacles == ()


def test_the_same_number_from_another_store_is_another_revision(backend):
    theirs = replace(backend, store_url="file:///srv/another")
    assert backend._wanted(a_revision()).identity != theirs._wanted(a_revision()).identity
