"""Runs whose process is gone without a word are marked as crashed, by an automation of the Prefect server's.

A worker that was killed tells nobody what became of its runs: they would be "Running" for ever, and hold their place in
a concurrency limit. https://docs.prefect.io/v3/advanced/detect-zombie-flows
"""

from __future__ import annotations

from typing import Any, Final

from flows.prefect_api import PrefectApi

# Every run says so often that it is alive; Prefect takes no less than 30 s.
HEARTBEAT_S: Final = 30
# Three in a row that did not come: one may be late on a busy machine.
_SILENCE_S: Final = 3 * HEARTBEAT_S
_NAME: Final = "moorage: runs whose process is gone have crashed"


def watch_for_zombies(api: PrefectApi) -> None:
    """Creates the automation, or makes the one of that name what it should be.

    Raises:
        BackendUnavailable: the server did not answer, or not as expected.
    """
    found = api.ask("POST", "/automations/filter", {"automations": {"name": {"any_": [_NAME]}}})
    if found:
        api.ask("PUT", f"/automations/{found[0]['id']}", automation())
    else:
        api.ask("POST", "/automations/", automation())


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
