"""What points to the versions of a model, as a value and the changes it allows; pure.

Aliases, pins, tags and deletions stand in one value, so that a rule between them is checked against the very state
that it protects: an alias never points to a deleted version, because moving it and deleting change the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from moorage.errors import CallerError, NotFound


class ReferenceEvent(StrEnum):
    """What happened to the references of a model."""

    ALIASES_MOVED = "ALIASES_MOVED"
    PINNED = "PINNED"
    UNPINNED = "UNPINNED"
    DELETED = "DELETED"
    TAGGED = "TAGGED"
    UNTAGGED = "UNTAGGED"


@dataclass(frozen=True)
class Pin:
    """What a model deployment runs: a model version and an artifact version of it."""

    version: int
    artifact: int


@dataclass(frozen=True)
class References:
    """All that points to the versions of one model.

    Attributes:
        aliases: version by alias.
        deleted: versions that were deleted; their numbers are never used again.
        pins: by model deployment.
        tags: by version, then by name; any JSON.
    """

    aliases: dict[str, int] = field(default_factory=dict)
    deleted: frozenset[int] = frozenset()
    pins: dict[str, Pin] = field(default_factory=dict)
    tags: dict[int, dict[str, Any]] = field(default_factory=dict)

    def aliases_of(self, version: int) -> list[str]:
        """The aliases that point to the version, sorted."""
        return sorted(alias for alias, target in self.aliases.items() if target == version)

    def deployments_of(self, version: int) -> list[str]:
        """The model deployments that the version is pinned by, sorted."""
        return sorted(deployment for deployment, pin in self.pins.items() if pin.version == version)

    def holds(self, version: int) -> bool:
        """Whether an alias or a pin keeps the version from being deleted."""
        return bool(self.aliases_of(version) or self.deployments_of(version))

    def to_json(self) -> dict[str, Any]:
        """The state as an entry of the log keeps it."""
        return {
            "aliases": self.aliases,
            "deleted": sorted(self.deleted),
            "pins": {deployment: [pin.version, pin.artifact] for deployment, pin in self.pins.items()},
            "tags": {str(version): tags for version, tags in self.tags.items()},
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> References:
        """The state that `record` holds; raises KeyError, TypeError or ValueError when it holds none."""
        return cls(
            aliases={str(alias): int(version) for alias, version in record["aliases"].items()},
            deleted=frozenset(int(version) for version in record["deleted"]),
            pins={str(name): Pin(int(version), int(artifact)) for name, (version, artifact) in record["pins"].items()},
            tags={int(version): dict(tags) for version, tags in record["tags"].items()},
        )


def with_aliases(state: References, moves: Mapping[str, int | None]) -> References:
    """The state after the aliases moved; None takes one away, and one that is not there is gone already."""
    kept = {alias: version for alias, version in state.aliases.items() if alias not in moves}
    moved = {alias: version for alias, version in moves.items() if version is not None}
    return replace(state, aliases=kept | moved)


def with_pin(state: References, deployment: str, pin: Pin | None) -> References:
    """The state after the deployment was pinned, or unpinned."""
    kept = {name: other for name, other in state.pins.items() if name != deployment}
    return replace(state, pins=kept | ({deployment: pin} if pin else {}))


def with_tag(state: References, version: int, tag: str, *, value: Any) -> References:
    """The state after the version was tagged."""
    return replace(state, tags=state.tags | {version: state.tags.get(version, {}) | {tag: value}})


def without_tag(state: References, version: int, tag: str) -> References:
    """The state after the tag was taken off."""
    left = {name: value for name, value in state.tags.get(version, {}).items() if name != tag}
    others = {number: tags for number, tags in state.tags.items() if number != version}
    return replace(state, tags=others | ({version: left} if left else {}))


def with_deleted(state: References, name: str, version: int) -> References:
    """The state after the version was deleted, and its tags with it.

    Raises:
        CallerError: aliases or deployments hold it; all are named.
    """
    if state.holds(version):
        held = [f"alias {alias!r} points to it" for alias in state.aliases_of(version)]
        held += [f"deployment {deployment!r} is pinned to it" for deployment in state.deployments_of(version)]
        raise CallerError(
            f"Version {version} of model {name!r} cannot be deleted: {'; '.join(held)}.",
            "Only what nothing points to may go.",
            "Move the aliases away, and retire the deployments or deploy another version there.",
        )
    tags = {number: tags for number, tags in state.tags.items() if number != version}
    return replace(state, deleted=state.deleted | {version}, tags=tags)


def beyond_newest(state: References, committed: list[int], keep: int) -> list[int]:
    """The versions beyond the newest `keep` that nothing points to, sorted; the newest of all is never among them.

    Args:
        committed: all committed versions, deleted or not.
    """
    alive = sorted(set(committed) - state.deleted)
    return [version for version in alive[: -max(keep, 1)] if not state.holds(version)]


def check_not_deleted(state: References, name: str, *versions: int) -> None:
    """Raises NotFound when one of the versions was deleted."""
    if gone := sorted(set(versions) & state.deleted):
        raise NotFound(
            f"Version {', '.join(map(str, gone))} of model {name!r} was deleted.",
            "Aliases, pins and tags belong to a version that exists.",
            "Name another version, or publish the model again.",
        )
