"""How a model gets into the registry with all that is said of it: found, published, tagged, and given its aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from moorage.errors import CallerError, NotFound
from moorage.names import IN_THE_STORE, check_alias, check_model_name
from moorage.predictor import Lineage, ModelSource
from moorage.registry.record import Published
from moorage.registry.reference_log import check_tag
from moorage.site import Site
from moorage.store.base import ObjectStore
from moorage.store.progress import UNWATCHED, Progress


def register(
    site: Site,
    name: str,
    source: ModelSource,
    *,
    tags: Mapping[str, Any] | None = None,
    aliases: Sequence[str] = (),
    idempotency_key: str | None = None,
    progress: Progress = UNWATCHED,
) -> Published:
    """Publishes a model version, then tags it and points the aliases to it.

    Killed in between, it is gone on with by the same call: the version is found by its content.

    Raises:
        CallerError: something about model, tags or aliases is not allowed, with nothing written.
    """
    check_model_name(name)
    for tag, value in (tags or {}).items():
        check_tag(tag, value)
    for alias in aliases:
        check_alias(alias)
    published = site.registry.publish(
        name, source, actor=site.actor, idempotency_key=idempotency_key, progress=progress
    )
    references, version = site.registry.references(name), published.model.version
    for tag, value in (tags or {}).items():
        references.set_tag(version, tag, value, actor=site.actor, reason="registered")
    if aliases:
        references.move_aliases(dict.fromkeys(aliases, version), actor=site.actor, reason="registered")
    return published


def locate(store: ObjectStore, path: str | Path) -> str:
    """Where the model lies: an absolute path on this machine, else a path in the store.

    Raises:
        NotFound: neither this machine nor the store has it.
    """
    text = str(path)
    if (local := _on_this_machine(text)) is not None:
        return str(local)
    key = text.strip("/")
    if key.startswith(IN_THE_STORE) and (store.head(key) or any(store.list(f"{key}/", limit=1))):
        return key
    raise NotFound(
        f"The model {text!r} was found neither on this machine nor in the store.",
        "A folder, a file, or a path in the store such as 'Projects/default/Models/iris/3/Files' was expected.",
        "Check the path; one that is relative counts from the current folder.",
    )


def source_of(**said: Any) -> ModelSource:
    """The model source with these fields; raises CallerError, naming all that do not fit."""
    try:
        return ModelSource.model_validate(said)
    except ValidationError as error:
        raise _refused("model", error) from error


def lineage_of(said: Any) -> Lineage:
    """The lineage with these fields; raises CallerError, naming all that do not fit."""
    try:
        return Lineage.model_validate(said)
    except ValidationError as error:
        raise _refused("lineage", error) from error


def _on_this_machine(text: str) -> Path | None:
    try:
        path = Path(text).expanduser().absolute()
        return path if path.exists() else None
    except RuntimeError:  # ~nobody
        return None
    except OSError:
        return path  # it cannot be looked at: whoever reads it says why


def _refused(what: str, error: ValidationError) -> CallerError:
    problems = "; ".join(f"{'.'.join(map(str, found['loc'])) or what}: {found['msg']}" for found in error.errors())
    return CallerError(f"The {what} cannot be kept as it is: {problems}.", "", "Mend what is named, or leave it out.")
