"""Model versions as readers find them: committed, and not deleted since."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from moorage.errors import NotFound
from moorage.names import LATEST
from moorage.registry.access import Access
from moorage.registry.checkpoints import committed_beside
from moorage.registry.manifests import find_version, numbers
from moorage.registry.record import ModelVersion, VersionSummary
from moorage.registry.reference_log import ReferenceLog

_SHOWN: Final = 10


def existing_versions(access: Access, name: str) -> Iterator[ModelVersion]:
    """The model's versions, newest first, read one by one as they are asked for."""
    # Both are read after we were asked: what was deleted before never shows.
    newest, references = access.both(lambda: next(_committed(access, name), None), ReferenceLog(access, name).state)
    if newest is None:
        return
    is_deleted = newest.version in references.deleted
    if not is_deleted:
        yield newest
    # From the top once more: when it was deleted, what took its place may be newer, and was not there to be seen.
    for model in _committed(access, name, but=references.deleted):
        if is_deleted or model.version < newest.version:
            yield model


def all_versions(access: Access, name: str) -> list[VersionSummary]:
    """The model's versions, newest first."""
    # Deletions first: what was deleted before we were asked never shows.
    found, references = committed_beside(access, name, ReferenceLog(access, name).state)
    return [found[version] for version in sorted(found, reverse=True) if version not in references.deleted]


def get_version(access: Access, name: str, version: int | str) -> ModelVersion:
    """The version with this number or alias; 'latest' is the one with the largest number.

    Raises:
        NotFound: there is none, or it was deleted; the message names what there is, or says when and by whom.
    """
    if version == LATEST:
        model = next(existing_versions(access, name), None)
        if model is None:
            raise not_found(access, name, None)
        return model
    if isinstance(version, str) and not version.isdecimal():
        # No alias points to what is deleted in the state that it stands in.
        number = _number_of(access, name, version)
        model = find_version(access, name, number)
    else:
        # "3" is what a command line gives for 3; no alias is made of digits only.
        number = int(version)
        references = ReferenceLog(access, name)
        model, _ = access.both(lambda: find_version(access, name, number), lambda: references.check_exists(number))
    if model is None:
        raise not_found(access, name, number)
    return model


def model_names(access: Access) -> list[str]:
    """The models with at least one version, sorted."""
    keys = access.keys
    candidates = {keys.model_of(found.key) for found in access.store.list(keys.registry) if keys.is_manifest(found.key)}
    return [name for name in sorted(candidates) if any(existing_versions(access, name))]


def not_found(access: Access, name: str, version: int | None) -> NotFound:
    """What to say when the model, or this version of it, does not exist: it names those that do."""
    existing = [str(model.version) for model in all_versions(access, name)]
    if existing and version is not None:
        return NotFound(
            f"Model {name!r} has no version {version}.",
            f"It has {shown(existing)}.",
            "Name one of these, or 'latest', or publish the model first.",
        )
    known = model_names(access)
    return NotFound(
        f"There is no model {name!r} in project {access.keys.project!r}.",
        f"It has {shown([repr(model) for model in known])}." if known else "It has no models yet.",
        "Name one of these, or publish the model first." if known else "Publish the model first.",
    )


def shown(names: list[str]) -> str:
    """The first few of the names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _committed(access: Access, name: str, *, but: frozenset[int] = frozenset()) -> Iterator[ModelVersion]:
    for number in numbers(access, name):
        if number.settled and number.version not in but:
            model = find_version(access, name, number.version)
            if model is not None:
                yield model


def _number_of(access: Access, name: str, alias: str) -> int:
    aliases = ReferenceLog(access, name).state().aliases
    if alias in aliases:
        return aliases[alias]
    if next(existing_versions(access, name), None) is None:
        raise not_found(access, name, None)
    raise NotFound(
        f"Model {name!r} has no alias {alias!r}.",
        f"It has {shown([repr(other) for other in sorted(aliases)])}." if aliases else "It has no aliases yet.",
        "Name one of these, a version number, or 'latest'.",
    )
