"""What people type as `name=value`: metrics, aliases, tags; pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NoReturn

from moorage.errors import CallerError

# Takes an alias or a tag away; a tag that is to hold a dash is typed as JSON: name='"-"'.
AWAY: Final = "-"
_TAGS: Final = "approved=true owner=ada"


def parse_metrics(texts: Iterable[str]) -> dict[str, str]:
    """Metrics by name, from `accuracy=0.97,f1=0.9`; their values are still text."""
    return _assignments((part for text in texts for part in text.split(",") if part.strip()), "accuracy=0.97,f1=0.9")


def parse_aliases(texts: Iterable[str]) -> dict[str, str | None]:
    """What each alias is to point to, from `champion=3`; None for `champion=-`."""
    given = _assignments(texts, "champion=3 challenger=-")
    return {alias: None if value == AWAY else value for alias, value in given.items()}


def parse_tags(texts: Iterable[str]) -> dict[str, Any]:
    """The values of the tags, from `approved=true`: JSON where it is JSON, else text."""
    return {tag: _json_or_text(value) for tag, value in _assignments(texts, _TAGS).items()}


def parse_tag_changes(texts: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """The tags to set with their values, and those to take off, typed as `owner=-`."""
    given = _assignments(texts, _TAGS)
    tags = {tag: _json_or_text(value) for tag, value in given.items() if value != AWAY}
    return tags, [tag for tag, value in given.items() if value == AWAY]


def _assignments(texts: Iterable[str], example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise CallerError(f"{text!r} is not understood.", "name=value was expected.", f"As in {example}.")
        if name in found:
            raise CallerError(f"{name!r} is given twice.", "", "Say it once.")
        found[name] = value
    return found


def _json_or_text(value: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(constant)  # NaN, which Python reads and JSON does not know: a text, then

    try:
        return json.loads(value, parse_constant=refuse)
    except ValueError:
        return value
