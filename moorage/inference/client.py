"""Sends inference requests to one model deployment, in KServe's V1 protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from moorage.errors import CallerError, InferenceFailed
from moorage.inference.dialect import V1, Dialect
from moorage.inference.protocol import error_in, jsonable, model_path
from moorage.startup import Cause


@dataclass(frozen=True)
class Answer:
    """What a deployment answered: the predictions, and the headers that say which revision gave them."""

    predictions: Any
    headers: Mapping[str, str]
    elapsed_ms: float


class InferenceClient:
    """Asks one deployment; connections are kept between requests. Close it, or use it in a `with`.

    Args:
        endpoint: base URL, as `Backend.endpoint` gives it.
        deployment: the name under which the model server knows its model.
        timeout_s: for each request.
        host: what requests say in their `Host` header, for an ingress; empty: the endpoint's own.
        dialect: what the model server speaks.
    """

    def __init__(
        self, endpoint: str, deployment: str, *, timeout_s: float = 30, host: str = "", dialect: Dialect = V1
    ) -> None:
        self._endpoint = endpoint
        self._deployment = deployment
        self._timeout_s = timeout_s
        self._dialect = dialect
        # A deployment is asked directly: a proxy set for the way outside cannot reach it.
        headers = {"Host": host} if host else {}
        self._http = httpx.Client(base_url=endpoint, timeout=timeout_s, headers=headers, trust_env=False)

    def predict(self, *, inputs: Any = None, data: dict[str, Any] | None = None) -> Answer:
        """What the deployment answers to `inputs`, or to a whole body given as `data`.

        Raises:
            CallerError: the inputs make no request; nothing was sent.
            InferenceFailed: no answer, an error, or none of what the model server speaks.
        """
        body = jsonable(self._dialect.body(self._deployment, inputs, data))
        response = self._send("POST", self._dialect.path(self._deployment, body), json=body)
        predictions = self._predictions_in(response)
        return Answer(predictions, dict(response.headers), response.elapsed.total_seconds() * 1000)

    def ready(self) -> Answer:
        """Asks nothing but whether the model is ready; the predictions are None."""
        response = self._send("GET", model_path(self._deployment))
        return Answer(None, dict(response.headers), response.elapsed.total_seconds() * 1000)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _predictions_in(self, response: httpx.Response) -> Any:
        try:
            return self._dialect.said(response.json())
        except CallerError as exc:
            problem: Exception = exc
            what = exc.what
        except ValueError as exc:
            problem = exc
            what = f"It is not JSON: {response.text[:200]!r}."
        raise InferenceFailed(
            f"Deployment {self._deployment!r} gave no {self._dialect.spoken} answer. {what}",
            f"Expected {self._dialect.shape}.",
            f"See `moorage deployment logs {self._deployment}`.",
            cause=Cause.WRONG_ANSWER,
            status=response.status_code,
        ) from problem

    def _send(self, method: str, path: str, json: Any = None) -> httpx.Response:
        try:
            response = self._http.request(method, path, json=json)
        except httpx.TimeoutException as exc:
            raise InferenceFailed(
                f"Deployment {self._deployment!r} did not answer within {self._timeout_s:g} s.",
                mend=f"See `moorage deployment logs {self._deployment}`, or allow more time.",
            ) from exc
        except httpx.HTTPError as exc:
            raise InferenceFailed(
                f"Deployment {self._deployment!r} does not answer at {self._endpoint}: {_sentence(str(exc))}",
                mend=f"See `moorage deployment status {self._deployment}`.",
            ) from exc
        if response.is_error:
            raise InferenceFailed(
                f"Deployment {self._deployment!r} answered {response.status_code}: {_sentence(_error_text(response))}",
                mend=f"See `moorage deployment logs {self._deployment}`.",
                cause=Cause.PREDICT_ERROR,
                status=response.status_code,
            )
        return response


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _error_text(response: httpx.Response) -> str:
    try:
        said = error_in(response.json())
    except ValueError:
        said = None
    return said or response.text[:500]
