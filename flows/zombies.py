"""Runs that will never tell what became of them are marked as crashed.

A worker that was killed tells nobody: its runs would be "Running" for ever, and the one that it was just about to start
"Pending". For the first the Prefect server has an automation: https://docs.prefect.io/v3/advanced/detect-zombie-flows.
The second are looked for: each event of each run would concern an automation for them too, and be one write more to the
server's database.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from flows.prefect_api import PrefectApi

# Every run says so often that it is alive; Prefect takes no less than 30 s.
HEARTBEAT_S: Final = 30
# Three in a row that did not come: one may be late on a busy machine.
_SILENCE_S: Final = 3 * HEARTBEAT_S
# What a run may take to begin once a worker has taken it; in a cluster, that its image is pulled is part of it.
START_S: Final = 900
_NAME: Final = "moorage: runs whose process is gone have crashed"


def watch_for_zombies(api: PrefectApi) -> None:
    """Creates the automation for runs whose process is gone, or makes the one of that name what it should be.

    Raises:
        BackendUnavailable: the server did not answer, or not as expected.
    """
    found = api.ask("POST", "/automations/filter", {"automations": {"name": {"any_": [_NAME]}}})
    if found:
        api.ask("PUT", f"/automations/{found[0]['id']}", automation())
    else:
        api.ask("POST", "/automations/", automation())


def give_up_unbegun(api: PrefectApi, *, start_s: int = START_S, pool: str = "") -> list[str]:
    """Marks runs as crashed that a worker took and did not start; nothing was done by them. Returns their names.

    Args:
        start_s: seconds that a run may take to begin once a worker has taken it.
        pool: of this work pool alone; by default of all.

    Raises:
        BackendUnavailable: the server did not answer, or not as expected.
    """
    wanted: dict[str, Any] = {"flow_runs": {"state": {"type": {"any_": ["PENDING"]}}}}
    if pool:
        wanted["work_pools"] = {"name": {"any_": [pool]}}
    latest = datetime.now(UTC) - timedelta(seconds=start_s)
    unbegun = [
        run
        for run in api.ask("POST", "/flow_runs/filter", wanted)
        if run["work_pool_name"] and datetime.fromisoformat(run["state"]["timestamp"]) <= latest
    ]
    message = (
        "It never began: the worker that took it is gone, or its pod cannot start. Its logs may say why; run it again."
    )
    for run in unbegun:
        state = {"type": "CRASHED", "name": "Crashed", "message": message}
        api.ask("POST", f"/flow_runs/{run['id']}/set_state", {"state": state})
    return [run["name"] for run in unbegun]


def automation() -> dict[str, Any]:
    """What the server is asked for."""
    return {
        "name": _NAME,
        "description": f"No heartbeat for {_SILENCE_S} s. The next run goes on with what was in flight.",
        "enabled": True,
        "trigger": {
            "type": "event",
            "match": {"prefect.resource.id": ["prefect.flow-run.*"]},
            "for_each": ["prefect.resource.id"],
            "after": ["prefect.flow-run.heartbeat"],
            "expect": ["prefect.flow-run.*"],
            "posture": "Proactive",
            "threshold": 1,
            "within": _SILENCE_S,
        },
        "actions": [
            {
                "type": "change-flow-run-state",
                "state": "CRASHED",
                "name": "Crashed",
                "message": "Its process is gone: it said for a while that it was alive, and then no more.",
            }
        ],
    }
