"""A Prefect server's API, asked directly: importing Prefect's own client takes seconds, and these are few requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import httpx
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_exponential_jitter

from moorage.errors import BackendUnavailable

_TIMEOUT_S: Final = 30
# Its database is busy, as SQLite is at times: Prefect's own client tries again too.
_BUSY: Final = 503
_BUSY_S: Final = 30


@dataclass(frozen=True)
class PrefectApi:
    """The API at one URL, which ends with `/api`.

    Attributes:
        authorization: what requests say in their header of that name; empty: nothing.
    """

    url: str
    authorization: str = ""

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        """What it answers, as plain values; None where it answers nothing.

        Raises:
            BackendUnavailable: it did not answer, or not as expected; what it said is in the message.
        """
        answer = self.answer(verb, path, body)
        if answer.is_success:
            return answer.json() if answer.content else None
        raise self._failed(verb, path, f"{answer.status_code} {answer.text[:1000]}")

    def answer(self, verb: str, path: str, body: Any = None) -> httpx.Response:
        """Likewise, whatever it answers. Raises BackendUnavailable when it does not."""
        headers = {"Authorization": self.authorization} if self.authorization else {}
        retrying = Retrying(
            stop=stop_after_delay(_BUSY_S),
            wait=wait_exponential_jitter(multiplier=0.2, max=3),
            retry=retry_if_result(lambda answer: answer.status_code == _BUSY),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        try:
            with httpx.Client(headers=headers, timeout=_TIMEOUT_S, trust_env=False) as http:
                found: httpx.Response = retrying(http.request, verb, f"{self.url}{path}", json=body)
        except httpx.HTTPError as error:
            raise self._failed(verb, path, f"{type(error).__name__}: {error}") from error
        return found

    def _failed(self, verb: str, path: str, said: str) -> BackendUnavailable:
        return BackendUnavailable(
            f"The Prefect server did not do as it was asked: {verb} {path}: {said.rstrip('.')}.",
            f"It was asked at {self.url}.",
            "See whether it runs, and whether PREFECT_API_URL names it.",
        )
