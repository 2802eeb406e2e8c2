"""The site that a step works at, and in whose name."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from typing import Final
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectException

from moorage.site import Site
from tasks.settings_by_name import take_settings_by_name

# A worker sets it for the process of a run: https://docs.prefect.io/v3/concepts/workers
_RUN: Final = "PREFECT__FLOW_RUN_ID"


def acting_site() -> Site:
    """The site that the environment describes, and what it names on the Prefect server.

    In a run that a worker began, it is what started the run that acts, as ledger and registry record it: a schedule, an
    automation, or somebody by hand. Otherwise it is this process's user.
    """
    take_settings_by_name()
    site, run = Site.from_env(), os.environ.get(_RUN)
    return replace(site, actor=_starter(run)) if run else site


def _starter(run: str) -> str:
    try:
        return _asked(run)
    except (httpx.HTTPError, PrefectException, OSError, RuntimeError):
        # The server is away: a deploy does not need it, and who reads its history finds the run all the same.
        return f"run {run}"


@cache
def _asked(run: str) -> str:
    with get_client(sync_client=True) as client:
        return started_by(client.read_flow_run(UUID(run)))


def started_by(run: FlowRun) -> str:
    """What started a run: Prefect knows the schedule and the automation, and not the person at a form."""
    by = run.created_by
    starter = "by hand" if by is None or by.type is None else by.type.lower()
    named = f" {by.display_value}" if by is not None and by.display_value else ""
    return f"{starter}{named}, run {run.name}"
