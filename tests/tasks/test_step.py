"""What all steps have in common; their functions are called as Prefect would call them."""

import asyncio

import pytest
from prefect.cache_policies import NO_CACHE
from prefect.states import Cancelled, Completed, Crashed, Failed, exception_to_failed_state

from moorage.errors import BackendUnavailable, NotFound, ProvisionFailed, Quarantined, StoreUnavailable
from moorage.serving.verdict import Verdict
from moorage.startup import Cause
from tasks.build_artifact_version import build_artifact_version
from tasks.check_specification import check_specification
from tasks.collect_garbage import collect_garbage
from tasks.find_followers import find_followers
from tasks.find_revision import find_revision
from tasks.find_undeclared import find_undeclared
from tasks.hold_contest import hold_contest
from tasks.plan_declared import plan_declared
from tasks.promote_revision import promote_revision
from tasks.provision_again import provision_again
from tasks.provision_predictor import provision_predictor
from tasks.register_model import register_model
from tasks.remember_declared import remember_declared
from tasks.restore_last_good import restore_last_good
from tasks.retire_deployment import retire_deployment
from tasks.smoke_test import smoke_test
from tasks.step import is_transient, step
from tasks.wait_for_ready import wait_for_ready

STEPS = [
    *(check_specification, register_model, build_artifact_version, provision_predictor),
    *(wait_for_ready, smoke_test, promote_revision, restore_last_good, collect_garbage),
    *(plan_declared, find_undeclared, remember_declared, retire_deployment, find_followers, hold_contest),
    *(find_revision, provision_again),
]


@step("add one")
def add_one(number: int, *, times: int = 1) -> int:
    """Adds one."""
    return number + times


@step("fail")
def fail(error: BaseException) -> None:
    """Raises what it is given."""
    raise error


TRIED_AGAIN = {"store away": StoreUnavailable("It is away."), "tool away": BackendUnavailable("It blinked.")}
FINAL = {
    "not found": NotFound("There is none."),
    "quarantined": Quarantined("It failed before."),
    "cannot serve": ProvisionFailed("iris", 1, Verdict(Cause.STORE_UNAVAILABLE, "it was away.")),
    "a mistake of ours": KeyError("x"),
    "somebody else's time-out": TimeoutError(),
}


@pytest.mark.parametrize("error", TRIED_AGAIN.values(), ids=TRIED_AGAIN.keys())
def test_what_may_go_away_by_itself_is_tried_again(error):
    state = asyncio.run(exception_to_failed_state(error))
    assert is_transient(add_one, None, state)


@pytest.mark.parametrize("error", FINAL.values(), ids=FINAL.keys())
def test_what_will_not_go_away_is_not_tried_again(error):
    state = asyncio.run(exception_to_failed_state(error))
    assert not is_transient(add_one, None, state)


@pytest.mark.parametrize(
    "state",
    [Completed(data=1), Failed(message="no data"), Crashed(message="killed"), Cancelled(message="by hand")],
    ids=lambda state: state.name,
)
def test_a_state_without_an_error_of_ours_is_final(state):
    assert not is_transient(add_one, None, state)


@pytest.mark.parametrize("task", STEPS, ids=lambda task: task.name)
def test_every_step_is_tried_again_only_for_what_may_go_away_and_is_never_cached(task):
    assert task.retry_condition_fn is is_transient
    assert (task.retries, task.cache_policy) == (3, NO_CACHE)


@pytest.mark.parametrize("task", STEPS, ids=lambda task: task.name)
def test_every_step_is_named_as_its_file_is(task):
    assert task.name.replace("-", "_") == task.fn.__module__.rpartition(".")[2] == task.fn.__name__


def test_the_pauses_between_tries_grow_and_are_jittered():
    assert add_one.retry_delay_seconds == [1, 2, 4]
    assert add_one.retry_jitter_factor == 0.5


def test_a_step_keeps_the_signature_and_the_words_of_its_function():
    assert (add_one.fn.__name__, add_one.description) == ("add_one", "Adds one.")
    assert list(add_one.fn.__annotations__) == ["number", "times", "return"]


def test_a_step_can_be_called_outside_of_any_flow():
    assert add_one.fn(1, times=2) == 3


def test_the_error_of_a_step_called_by_itself_is_its_own():
    with pytest.raises(NotFound, match="There is none"):
        fail.fn(NotFound("There is none."))
