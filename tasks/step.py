"""What all steps have in common: timed, logged, tried again when that can help, never cached."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.tasks import exponential_backoff

from tasks.recording import recorded_step

P = ParamSpec("P")
R = TypeVar("R")

RETRIES: Final = 3
FIRST_DELAY_S: Final = 1
JITTER: Final = 0.5


def step(name: str) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Makes a function the task of one step.

    Only transient errors are tried again, after growing and jittered pauses. Nothing is cached: a step has effects,
    and the library's verbs are idempotent.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        @wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            with recorded_step(name):
                return function(*args, **kwargs)

        return task(
            name=name.replace(" ", "-"),
            retries=RETRIES,
            retry_delay_seconds=exponential_backoff(FIRST_DELAY_S),
            retry_jitter_factor=JITTER,
            retry_condition_fn=is_transient,
            cache_policy=NO_CACHE,
        )(timed)

    return decorate


def is_transient(_task: Task[..., Any], _run: object, state: State[Any]) -> bool:
    """Whether the error that failed a task may go away by itself: it says so, as every MoorageError does."""
    try:
        state.result()
    except Exception as error:  # noqa: BLE001 -- any error a step can raise is looked at, none is kept
        return bool(getattr(error, "transient", False))
    return False
