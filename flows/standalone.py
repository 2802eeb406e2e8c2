"""What a flow needs when a person runs it in a terminal: import this before anything of Prefect's.

Without a Prefect server at PREFECT_API_URL, Prefect starts an ephemeral one as a child of this process.
"""

from __future__ import annotations

import os
import signal

from moorage.errors import PlatformError

# Prefect reads these when it is imported. The first start of an ephemeral server takes half a minute on a slow machine,
# and `narration` tells what Prefect's log would.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")
os.environ.setdefault("DO_NOT_TRACK", "1")


def connect_to_prefect() -> None:
    """Makes sure that a Prefect server answers; an ephemeral one lives as long as this process.

    A terminal sends Ctrl-C to every process in the foreground. The ephemeral server must outlive it: what the flow does
    about an interruption is recorded there. So it is started with SIGINT blocked, which children inherit.

    Raises:
        PlatformError: the server at PREFECT_API_URL does not answer, or none could be started.
    """
    from prefect.client.orchestration import get_client

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with get_client(sync_client=True) as client:
            client.raise_for_api_version_mismatch()
    except RuntimeError as exc:
        raise PlatformError(
            f"Prefect's server does not answer: {exc}.",
            mend="Start the one at PREFECT_API_URL, or unset that and an ephemeral one is used.",
        ) from exc
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
