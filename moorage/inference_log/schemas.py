"""A topic's schema, in a schema registry with Confluent's REST API.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx

from moorage.errors import LogRefused, LogUnavailable

_TIMEOUT_S: Final = 5


def register(registry_url: str, topic: str, schema: Mapping[str, Any]) -> int:
    """The id of a topic's schema; registering it again gives the same.

    Raises:
        LogUnavailable: the registry did not answer.
        LogRefused: the topic has a schema that this is not compatible with, or the registry refuses otherwise.
    """
    body = {"schema": json.dumps(schema, separators=(",", ":"))}
    answer = _ask("POST", f"{registry_url}/subjects/{_subject(topic)}/versions", body)
    if answer.status_code == HTTPStatus.CONFLICT:
        raise LogRefused(
            f"Topic {topic!r} has a schema that inferences cannot be logged by.",
            f"Expected one that {schema['name']!r}, version {schema['version']}, is compatible with.",
            "Name another topic, or CREATE.",
        )
    return int(_read(answer)["id"])


def latest(registry_url: str, topic: str) -> Mapping[str, Any] | None:
    """A topic's newest schema; None where it has none, or none of Avro's records. Raises LogUnavailable, LogRefused."""
    answer = _ask("GET", f"{registry_url}/subjects/{_subject(topic)}/versions/latest")
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return None
    found = json.loads(_read(answer)["schema"])
    return found if isinstance(found, dict) else None


def _subject(topic: str) -> str:
    """As every Kafka client names the schema of a topic's values."""
    return quote(f"{topic}-value", safe="")


def _ask(method: str, url: str, body: Mapping[str, Any] | None = None) -> httpx.Response:
    try:
        return httpx.request(method, url, json=body, timeout=_TIMEOUT_S)
    except httpx.HTTPError as exc:
        raise LogUnavailable(
            f"The schema registry did not answer: {type(exc).__name__}.",
            mend="See whether it runs, and whether MOORAGE_SCHEMA_REGISTRY is right.",
        ) from exc


def _read(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_success:
        found: dict[str, Any] = answer.json()
        return found
    said = f"The schema registry answered {answer.status_code}: {answer.text[:500]}"
    if answer.is_server_error:
        raise LogUnavailable(said)
    raise LogRefused(said)
