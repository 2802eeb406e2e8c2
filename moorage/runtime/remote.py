"""What answers by HTTP: the predictor of another pod, or a model server that is not ours."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Final

import httpx

from moorage.errors import CallerError
from moorage.inference.protocol import DIGEST_HEADERS, INFERENCE_ID_HEADER, error_in, predict_path

# A predictor may take its time; whoever asks decides how long they wait.
_CONNECT_S: Final = 10
_TOLD: Final = (*DIGEST_HEADERS, INFERENCE_ID_HEADER)
# Which revision of the predictor answered, of what, and how that was logged: for the answer's headers.
answered_by: ContextVar[dict[str, str]] = ContextVar("answered_by")


class PredictorFailed(Exception):
    """What was asked answered an error, or nothing.

    Attributes:
        status: that of the answer; 503 where there was none.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Remote:
    """What answers by HTTP.

    Args:
        url: its base URL.
        path_of: where a body is posted.
        called: in messages.
        transport: how it is reached; None: by the network.
    """

    file = ""

    def __init__(
        self,
        url: str,
        path_of: Callable[[Any], str],
        called: str,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        timeout = httpx.Timeout(None, connect=_CONNECT_S)
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False, transport=transport)
        self._path_of = path_of
        self.class_name = called

    async def answer(self, body: Any) -> dict[str, Any]:
        """The body of its answer.

        Raises:
            CallerError: it says that the request is at fault.
            PredictorFailed: it answered another error, or nothing.
        """
        try:
            answer = await self._http.post(self._path_of(body), json=body)
        except httpx.HTTPError as exc:
            raise PredictorFailed(
                f"{self.class_name} did not answer: {type(exc).__name__}.", HTTPStatus.SERVICE_UNAVAILABLE
            ) from exc
        if answer.is_success:
            answered_by.set({name: answer.headers[name] for name in _TOLD if name in answer.headers})
            found: dict[str, Any] = answer.json()
            return found
        said = _said(answer)
        if answer.status_code == HTTPStatus.BAD_REQUEST:
            raise CallerError(said)
        raise PredictorFailed(f"{self.class_name} answered {answer.status_code}: {said}", answer.status_code)


def predictor_at(url: str, name: str, called: str = "The predictor") -> Remote:
    """A predictor behind a URL, which speaks V1.

    Args:
        name: of the model deployment.
        called: in messages.
    """
    path = predict_path(name)
    return Remote(url, lambda _: path, called)


def _said(answer: httpx.Response) -> str:
    try:
        said = error_in(answer.json())
    except ValueError:
        said = None
    return said or answer.text[:1000]
