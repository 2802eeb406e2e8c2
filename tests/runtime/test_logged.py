"""Which half of an exchange is written down, by the logger's mode."""

import asyncio

import pytest

from moorage.components import LogMode
from moorage.errors import CallerError
from moorage.inference_log.record import Exchange
from moorage.runtime.logged import Logged
from moorage.runtime.remote import PredictorFailed


class Answering:
    class_name, file = "Predictor", "predictor.py"

    def __init__(self, error=None):
        self.error = error

    async def answer(self, body):
        body["instances"].append("changed")
        if self.error is not None:
            raise self.error
        return {"predictions": [2]}


HALVES = {
    LogMode.ALL: ('{"instances":[1]}', '{"predictions":[2]}'),
    LogMode.MODEL_INPUTS: ('{"instances":[1]}', ""),
    LogMode.PREDICTIONS: ("", '{"predictions":[2]}'),
}


@pytest.mark.parametrize(("mode", "halves"), HALVES.items())
def test_what_is_not_logged_is_not_written_down(mode, halves):
    put: list[Exchange] = []
    asyncio.run(Logged(Answering(), put.append, mode).answer({"instances": [1]}))
    assert [(each.status, each.request, each.response) for each in put] == [(200, *halves)]


ERRORS = {
    "the caller's": (CallerError("No rows."), 400),
    "a server's behind us": (PredictorFailed("It answered 503.", 503), 503),
    "ours": (KeyError("x"), 500),
}


@pytest.mark.parametrize(("error", "status"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_is_logged_with_its_status(error, status):
    put: list[Exchange] = []
    with pytest.raises(type(error)):
        asyncio.run(Logged(Answering(error), put.append, LogMode.ALL).answer({"instances": [1]}))
    assert [each.status for each in put] == [status]
    assert '"error"' in put[0].response
