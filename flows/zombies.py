"""Runs whose process is gone without a word are marked as crashed, by an automation of the Prefect server's.

A worker that was killed tells nobody what became of its runs: they would be "Running" for ever, and hold their place in
a concurrency limit. https://docs.prefect.io/v3/advanced/detect-zombie-flows
"""

from __future__ import annotations

from typing import Any, Final

import httpx

from moorage.errors import BackendUnavailable

# Every run says so often that it is alive; Prefect takes no less than 30 s.
HEARTBEAT_S: Final = 30
# Three in a row that did not come: one may be late on a busy machine.
_SILENCE_S: Final = 3 * HEARTBEAT_S
_NAME: Final = "moorage: runs whose process is gone have crashed"
_TIMEOUT_S: Final = 10


def watch_for_zombies(api: str, *, authorization: str = "") -> None:
    """Creates the automation, or makes the one of that name what it should be.

    Args:
        api: URL of the Prefect server's API.
        authorization: what requests say in their header of that name; empty: nothing.

    Raises:
        BackendUnavailable: the server did not answer, or not as expected.
    """
    headers = {"Authorization": authorization} if authorization else {}
    try:
        with httpx.Client(base_url=api, headers=headers, timeout=_TIMEOUT_S, trust_env=False) as http:
            found = http.post("/automations/filter", json={"automations": {"name": {"any_": [_NAME]}}})
            found.raise_for_status()
            if found.json():
                done = http.put(f"/automations/{found.json()[0]['id']}", json=automation())
            else:
                done = http.post("/automations/", json=automation())
            done.raise_for_status()
    except httpx.HTTPError as error:
        raise BackendUnavailable(
            f"The automation for runs whose process is gone could not be created: {error}.",
            f"The Prefect server at {api} takes it.",
            "See whether it runs, and whether PREFECT_API_URL names it.",
        ) from error


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
