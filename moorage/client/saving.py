"""What is published when a model is saved: its description, and how it was made as far as this process can see."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TypedDict

from moorage.client.draft import Draft
from moorage.predictor import ModelSource
from moorage.registration import lineage_of, source_of
from moorage.snapshot import take_snapshot


class Said(TypedDict):
    """How the model was made as the caller says; None: see for yourself. An empty text keeps nothing."""

    program: str | PathLike[str] | None
    environment: str | None
    git_commit: str | None
    flow_run: str | None


def source_to_publish(draft: Draft, path: str, said: Said) -> ModelSource:
    """The source to publish: what was said, and a snapshot of this process for what was not."""
    seen = take_snapshot(program=Path(said["program"]) if said["program"] else None)
    program = _first(said["program"], seen.program)
    lineage = {
        "flow_run": _first(said["flow_run"], seen.flow_run),
        "git_commit": _first(said["git_commit"], seen.git_commit),
        "parent_version": draft.parent_version,
        "training_data": draft.training_data,
    }
    return source_of(
        path=path,
        framework=draft.framework,
        metrics=draft.metrics,
        description=draft.description,
        input_example=draft.input_example,
        model_schema=draft.model_schema,
        lineage=lineage_of(lineage),
        program=fspath(program) if program else None,
        environment=_first(said["environment"], seen.environment),
    )


def _first(said: str | PathLike[str] | None, seen: str | PathLike[str] | None) -> str | PathLike[str] | None:
    return seen if said is None else said
