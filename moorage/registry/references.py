"""What points to the versions of a model, as a value and the changes it allows; pure.

Aliases, pins, tags and deletions stand in one value, so that a rule between them is checked against the very state
that it protects: an alias never points to a deleted version, because moving it and deleting change the same thing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
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


@dataclass(frozen=True, order=True)
class Pin:
    """What a revision of a model deployment runs: a model version and an artifact version of it.

    Attributes:
        revision: the revision's number, by which two that run the same are told apart; 0 where there are none.
    """

    version: int
    artifact: int
    revision: int = 0


@dataclass(frozen=True)
class References:
    """All that points to the versions of one model.

    Attributes:
        aliases: version by alias.
        deleted: versions that were deleted; their numbers are never used again.
        pins: all that a model deployment may run, by its name; none is without pins.
        tags: by version, then by name; any JSON.
    """

    aliases: dict[str, int] = field(default_factory=dict)
    deleted: frozenset[int] = frozenset()
    pins: dict[str, frozenset[Pin]] = field(default_factory=dict)
    tags: dict[int, dict[str, Any]] = field(default_factory=dict)

    def aliases_of(self, version: int) -> list[str]:
        """The aliases that point to the version, sorted."""
        return sorted(alias for alias, target in self.aliases.items() if target == version)

    def deployments_of(self, version: int) -> list[str]:
        """The model deployments that the version is pinned by, sorted."""
        return sorted(name for name, pins in self.pins.items() if any(pin.version == version for pin in pins))

    def pins_of(self, deployment: str) -> frozenset[Pin]:
        """All that the model deployment may run."""
        return self.pins.get(deployment, frozenset())

    def holds(self, version: int) -> bool:
        """Whether an alias or a pin keeps the version from being deleted."""
        return bool(self.aliases_of(version) or self.deployments_of(version))

    def to_json(self) -> dict[str, Any]:
        """The state as an entry of the log keeps it."""
        return {
            "aliases": self.aliases,
            "deleted": sorted(self.deleted),
            "pins": {name: pins_as_json(pins) for name, pins in self.pins.items()},
            "tags": {str(version): tags for version, tags in self.tags.items()},
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> References:
        """The state that `record` holds; raises KeyError, TypeError or ValueError when it holds none."""
        return cls(
            aliases={str(alias): int(version) for alias, version in record["aliases"].items()},
            deleted=frozenset(int(version) for version in record["deleted"]),
            pins={str(name): frozenset(Pin(*map(int, pin)) for pin in pins) for name, pins in record["pins"].items()},
            tags={int(version): dict(tags) for version, tags in record["tags"].items()},
        )


def pins_as_json(pins: Collection[Pin]) -> list[list[int]]:
    """The pins as an entry of the log keeps them: version, artifact version and revision of each, sorted."""
    return [[pin.version, pin.artifact, pin.revision] for pin in sorted(pins)]


def with_aliases(state: References, moves: Mapping[str, int | None]) -> References:
    """The state after the aliases moved; None takes one away, and one that is not there is gone already."""
    kept = {alias: version for alias, version in state.aliases.items() if alias not in moves}
    moved = {alias: version for alias, version in moves.items() if version is not None}
    return replace(state, aliases=kept | moved)


def with_pins(state: References, deployment: str, pins: Collection[Pin]) -> References:
    """The state after the deployment was pinned to these and nothing else; to none, and it is unpinned."""
    kept = {name: others for name, others in state.pins.items() if name != deployment}
    return replace(state, pins=kept | ({deployment: frozenset(pins)} if pins else {}))


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
        raise _held(state, name, version)
    tags = {number: tags for number, tags in state.tags.items() if number != version}
    return replace(state, deleted=state.deleted | {version}, tags=tags)


def beyond_newest(
    state: References, committed: list[int], keep: int, *, spare: Callable[[], Collection[int]] = tuple
) -> list[int]:
    """The versions beyond the newest `keep` that nothing points to, sorted; the newest of all is never among them.

    Args:
        committed: all committed versions, deleted or not.
        spare: says which are spared besides; asked only when there are any to ask about.
    """
    alive = sorted(set(committed) - state.deleted)
    beyond = [version for version in alive[: -max(keep, 1)] if not state.holds(version)]
    spared = frozenset(spare()) if beyond else frozenset()
    return [version for version in beyond if version not in spared]


def check_not_deleted(state: References, name: str, *versions: int) -> None:
    """Raises NotFound when one of the versions was deleted."""
    if gone := sorted(set(versions) & state.deleted):
        raise NotFound(
            f"Version {', '.join(map(str, gone))} of model {name!r} was deleted.",
            "Aliases, pins and tags belong to a version that exists.",
            "Name another version, or publish the model again.",
        )


def _held(state: References, name: str, version: int) -> CallerError:
    aliases, deployments = state.aliases_of(version), state.deployments_of(version)
    held = [f"alias {alias!r} points to it" for alias in aliases]
    held += [f"deployment {deployment!r} is pinned to it" for deployment in deployments]
    mend = ["Move the aliases away."] if aliases else []
    mend += ["Deploy another version there, or delete the deployments."] if deployments else []
    return CallerError(
        f"Version {version} of model {name!r} cannot be deleted: {'; '.join(held)}.",
        "Only what nothing points to may go.",
        " ".join(mend),
    )
