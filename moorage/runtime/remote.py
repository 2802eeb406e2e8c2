"""The predictor of another pod, as a transformer asks it."""

from __future__ import annotations

from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Final

import httpx

from moorage.errors import CallerError
from moorage.inference.protocol import DIGEST_HEADERS, INFERENCE_ID_HEADER, predict_path

# A predictor may take its time; whoever asks decides how long they wait.
_CONNECT_S: Final = 10
_TOLD: Final = (*DIGEST_HEADERS, INFERENCE_ID_HEADER)
# Which revision of the predictor answered, of what, and how that was logged: for the answer's headers.
answered_by: ContextVar[dict[str, str]] = ContextVar("answered_by")


class PredictorFailed(Exception):
    """The predictor answered an error, or nothing.

    Attributes:
        status: that of the answer; 503 where there was none.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class RemotePredictor:
    """A predictor behind a URL.

    Args:
        url: its base URL, in the cluster.
        name: of the model deployment.
    """

    class_name, file = "Predictor", ""

    def __init__(self, url: str, name: str) -> None:
        timeout = httpx.Timeout(None, connect=_CONNECT_S)
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False)
        self._path = predict_path(name)

    async def answer(self, body: Any) -> dict[str, Any]:
        """The body of its answer.

        Raises:
            CallerError: it says that the request is at fault.
            PredictorFailed: it answered another error, or nothing.
        """
        try:
            answer = await self._http.post(self._path, json=body)
        except httpx.HTTPError as exc:
            raise PredictorFailed(
                f"The predictor did not answer: {type(exc).__name__}.", HTTPStatus.SERVICE_UNAVAILABLE
            ) from exc
        if answer.is_success:
            answered_by.set({name: answer.headers[name] for name in _TOLD if name in answer.headers})
            found: dict[str, Any] = answer.json()
            return found
        said = _said(answer)
        if answer.status_code == HTTPStatus.BAD_REQUEST:
            raise CallerError(said)
        raise PredictorFailed(f"The predictor answered {answer.status_code}: {said}", answer.status_code)


def _said(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:1000]
