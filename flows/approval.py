"""A person says yes before something goes on, in a form of Prefect's UI."""

from __future__ import annotations

import logging
from typing import Final

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field

from moorage.errors import CallerError

log = logging.getLogger(__name__)

_PATIENCE_S: Final = 24 * 3600


class Approval(RunInput):
    """The form: who says what to it."""

    approve: bool = Field(False, title="Approve", description="Yes: it is done. No: the run ends, with nothing done.")
    by: str = Field(min_length=1, max_length=200, title="Your name", description="For the history.")
    comment: str = Field("", max_length=1000, title="Comment", description="For the history.")


def ask_approval(what: str, *, timeout_s: float = _PATIENCE_S) -> str:
    """Pauses the run until somebody has filled in the form; returns who approved and what they said.

    Only a run of a registered Prefect deployment has a form; it is asked for in the run's page.

    Raises:
        CallerError: they said no, or nobody said anything in time.
    """
    log.info("waiting for approval: %s", what)
    form = Approval.with_initial_data(description=f"**{what}**\n\nIt goes on when you approve.")
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=int(timeout_s), poll_interval=2)
    except FlowPauseTimeout as error:
        raise CallerError(
            f"Nobody approved within {timeout_s / 3600:g} h: {what}", mend="Start the run again, and answer its form."
        ) from error
    said = f"{answer.by}: {answer.comment}" if answer.comment else answer.by
    if not answer.approve:
        raise CallerError(f"Not approved by {said}.", f"It was about this: {what}", "Nothing was done.")
    return f"approved by {said}"
