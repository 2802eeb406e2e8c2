"""How models are shown: as tables for people, as plain values for programs; pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from moorage.lifecycle import DeploymentView
from moorage.predictor import Lineage
from moorage.registry.garbage import Collected
from moorage.registry.record import ModelVersion, Published
from moorage.registry.reference_log import ReferenceEntry
from moorage.registry.references import ReferenceEvent, References
from moorage.registry.summary import Summary
from moorage.report import size_in_words
from moorage.retention import Tidied

FILES_SHOWN: Final = 20
_LONGEST: Final = 200
_UNBROKEN: Final = frozenset({"VERSION", "NEWEST", "FRAMEWORK", "SIZE", "CREATED", "TIME", "EVENT", "FILES"})


@dataclass(frozen=True)
class ModelInfo:
    """One model version and all that points to it."""

    model: ModelVersion
    references: References
    deployments: Sequence[DeploymentView]

    @property
    def aliases(self) -> list[str]:
        """The aliases that point to it."""
        return self.references.aliases_of(self.model.version)

    @property
    def tags(self) -> dict[str, Any]:
        """Its tags."""
        return self.references.tags.get(self.model.version, {})

    @property
    def pinned_by(self) -> list[str]:
        """The deployments that keep it from being deleted."""
        return self.references.deployments_of(self.model.version)

    @property
    def program(self) -> str | None:
        """The name under which its program is kept."""
        return next((entry.path for entry in self.model.attachments if entry.path.startswith("program")), None)

    @property
    def environment(self) -> str | None:
        """The name under which its environment is kept."""
        return next((entry.path for entry in self.model.attachments if entry.path.startswith("environment")), None)


def models_table(models: Iterable[ModelVersion]) -> Table:
    """Models with their newest versions."""
    table = _table("MODEL", "NEWEST", "FRAMEWORK", "SIZE", "METRICS", "CREATED")
    for model in models:
        facts = (model.framework, size_in_words(model.size), _metrics(model), time_text(model.created_at))
        _row(table, model.name, str(model.version), *facts)
    return table


def versions_table(versions: Iterable[Summary], references: References) -> Table:
    """Versions of one model, with their aliases."""
    table = _table("VERSION", "ALIASES", "SIZE", "CREATED", "METRICS", "DESCRIPTION")
    for version in versions:
        aliases = ", ".join(references.aliases_of(version.version)) or "-"
        facts = (size_in_words(version.size), time_text(version.created_at), _metrics(version), version.description)
        _row(table, str(version.version), aliases, *facts)
    return table


def info_grid(info: ModelInfo) -> Table:
    """Everything about one version but its files, a line each; what there is not is left out."""
    grid = Table(Column(no_wrap=True), Column(overflow="fold"), box=None, show_header=False, pad_edge=False)
    for label, value in _lines(info):
        if value:
            grid.add_row(label, Text(value, style="green" if label == "live" else ""))
    return grid


def files_table(model: ModelVersion) -> Table:
    """The first files of a version with their digests."""
    table = _table("FILE", "SIZE", "SHA-256")
    for file in model.files[:FILES_SHOWN]:
        _row(table, file.path, size_in_words(file.size), file.sha256)
    return table


def history_table(entries: Iterable[ReferenceEntry]) -> Table:
    """What was done to the references of a model, oldest first."""
    table = _table("TIME", "EVENT", "WHAT", "BY", "WHY")
    before = References()
    for entry in entries:
        _row(table, time_text(entry.time), entry.event, told(entry, before), entry.actor or "-", entry.reason)
        before = entry.state
    return table


def told(entry: ReferenceEntry, before: References) -> str:
    """What an entry changed, in words."""
    change, after = entry.change, entry.state
    match entry.event:
        case ReferenceEvent.ALIASES_MOVED:
            return ", ".join(_move(alias, before, after) for alias in change if _moved(alias, before, after))
        case ReferenceEvent.PINNED:
            pins = (f"version {version} with artifact version {artifact}" for version, artifact, _ in change["pins"])
            return f"{change['deployment']} may run {' and '.join(pins)}"
        case ReferenceEvent.UNPINNED:
            return f"{change['deployment']} runs none"
        case ReferenceEvent.DELETED:
            return f"version {', '.join(map(str, sorted(after.deleted - before.deleted)))}"
        case ReferenceEvent.TAGGED:
            return f"version {change['version']}: {change['tag']}={_compact(change['value'])}"
        case ReferenceEvent.UNTAGGED:
            return f"version {change['version']}: {change['tag']} taken off"


def show_freed(console: Console, tidied: Tidied) -> None:
    """What was freed, version by version, or would be; and which pins were not what they should be."""
    if tidied.collected.freed:
        table = _table("MODEL", "VERSION", "WHY", "FILES", "SIZE")
        for row in tidied.rows:
            size = size_in_words(int(row.pop("bytes")))
            _row(table, *(str(value) for value in row.values()), size)
        console.print(table)
    for pins in tidied.pins:
        console.print(Text(str(pins)), soft_wrap=True)
    console.print(Text(tidied.headline, style="bold"))
    if tidied.collected.dry_run:
        console.print("This was a dry run: nothing was changed.")


def tag_lines(tags: Mapping[str, Any]) -> list[str]:
    """Each tag with its value, as it is typed."""
    return [f"{tag}={_compact(value)}" for tag, value in sorted(tags.items())]


def plain_summary(name: str, version: Summary) -> dict[str, Any]:
    """What a list tells programs of a version."""
    return {
        "name": name,
        "version": version.version,
        "framework": version.framework,
        "digest": version.digest,
        "size": version.size,
        "metrics": dict(version.metrics),
        "description": version.description,
        "created_at": version.created_at,
        "created_by": version.created_by,
    }


def plain_info(info: ModelInfo) -> dict[str, Any]:
    """Everything about one version, for programs."""
    model = info.model
    return {
        **plain_summary(model.name, model),
        "aliases": info.aliases,
        "tags": info.tags,
        "pinned_by": info.pinned_by,
        "deployments": [_plain_deployment(view, model) for view in info.deployments],
        "lineage": model.lineage.model_dump(),
        "schema": model.schema,
        "input_example": model.input_example,
        "program": info.program,
        "environment": info.environment,
        "files": [asdict(file) for file in model.files],
    }


def plain_entry(entry: ReferenceEntry) -> dict[str, Any]:
    """One line of the history, for programs."""
    fields = {"seq": entry.seq, "time": entry.time, "actor": entry.actor, "event": entry.event.value}
    return fields | {"change": entry.change, "reason": entry.reason}


def plain_collected(collected: Collected) -> dict[str, Any]:
    """What was freed, for programs."""
    freed = [asdict(item) for item in collected.freed]
    return {"dry_run": collected.dry_run, "files": collected.files, "size": collected.size, "freed": freed}


def published_text(done: Published) -> str:
    """What was published, and how much of it had to be sent: `5 files, 1.2 MiB (0.2 MiB sent), sha256:…`."""
    files = files_text(len(done.model.files), done.model.size)
    how = f" ({size_in_words(done.sent)} sent, {size_in_words(done.copied)} copied in the store)" if done.copied else ""
    return f"{files}{how}, {done.model.digest}"


def files_text(count: int, size: int) -> str:
    """So many files of so many bytes: `5 files, 1.2 MiB`."""
    return f"{count:,} file{'' if count == 1 else 's'}, {size_in_words(size)}"


def time_text(time: str) -> str:
    """A time to the second, without the letters that ISO 8601 puts there."""
    return time[:19].replace("T", " ")


def _lines(info: ModelInfo) -> Iterator[tuple[str, str]]:
    model = info.model
    by = f" by {model.created_by}" if model.created_by else ""
    yield "framework", model.framework
    yield "description", model.description
    yield "created", time_text(model.created_at) + by
    yield "size", files_text(len(model.files), model.size)
    yield "digest", model.digest
    yield "aliases", ", ".join(info.aliases)
    yield "tags", "\n".join(tag_lines(info.tags))
    yield "metrics", ", ".join(f"{name}={value!r}" for name, value in model.metrics.items())
    yield "live", "\n".join(_deployment(view, model) for view in info.deployments if not view.unreadable)
    yield "unknown", "\n".join(f"{view.name}: {view.unreadable}" for view in info.deployments if view.unreadable)
    yield "pinned by", ", ".join(info.pinned_by)
    yield "lineage", "\n".join(_lineage(model.lineage))
    yield "schema", "" if model.schema is None else _one_line(_compact(model.schema), _LONGEST)
    yield "input example", "" if model.input_example is None else _one_line(_compact(model.input_example), _LONGEST)
    yield "kept with it", ", ".join(f"{entry.path} ({size_in_words(entry.size)})" for entry in model.attachments)


def _deployment(view: DeploymentView, model: ModelVersion) -> str:
    plain = _plain_deployment(view, model)
    parts = [f"revision {plain['live']} live" if plain["live"] else ""]
    parts += [f"revision {plain['in_flight']} in flight" if plain["in_flight"] else ""]
    return f"{view.name}: {plain['state']}, {', '.join(filter(None, parts))}"


def _plain_deployment(view: DeploymentView, model: ModelVersion) -> dict[str, Any]:
    of_model = {
        role: revision.number
        for role, revision in (("live", view.ledger.live), ("in_flight", view.ledger.candidate))
        if revision and (revision.model.name, revision.model.version) == (model.name, model.version)
    }
    state = "unreadable" if view.unreadable else view.seen.state.value
    return {"name": view.name, "state": state, "live": of_model.get("live"), "in_flight": of_model.get("in_flight")}


def _lineage(lineage: Lineage) -> Iterator[str]:
    for field, value in lineage.model_dump().items():
        if value not in (None, ""):
            yield f"{field.replace('_', ' ')} {value if isinstance(value, str) else _compact(value)}"


def _metrics(version: Summary) -> str:
    return ", ".join(f"{name}={value:.4g}" for name, value in version.metrics.items()) or "-"


def _moved(alias: str, before: References, after: References) -> bool:
    return before.aliases.get(alias) != after.aliases.get(alias)


def _move(alias: str, before: References, after: References) -> str:
    origin, target = before.aliases.get(alias), after.aliases.get(alias)
    return f"{alias} {origin or '-'} → {target or '-'}"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _one_line(text: str, longest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _table(*headers: str) -> Table:
    # On a narrow terminal a long cell takes several lines: a digest or a number that is cut short is wrong.
    columns = (Column(header, overflow="fold", no_wrap=header in _UNBROKEN) for header in headers)
    return Table(*columns, box=None, pad_edge=False)


def _row(table: Table, *cells: str) -> None:
    table.add_row(*map(Text, cells))
