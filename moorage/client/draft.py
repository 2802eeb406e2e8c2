"""A model as it is described before there are files of it: what `create_model` was told, checked; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage.errors import CallerError
from moorage.model_schema import ModelSchema
from moorage.names import check_model_name
from moorage.predictor import Framework
from moorage.registry.reference_log import check_tag
from moorage.training_values import input_example_of, metrics_of, plain


@dataclass(frozen=True)
class Draft:
    """What is said of a model version that is to be saved; the fields mean what those of `ModelSource` mean."""

    name: str
    framework: Framework
    metrics: dict[str, float]
    description: str
    input_example: Any
    model_schema: Any
    tags: dict[str, Any]
    training_data: Any
    parent_version: int | None


def draft_of(
    name: str,
    framework: Framework,
    *,
    version: object,
    metrics: object,
    description: str | None,
    input_example: object,
    model_schema: object,
    tags: object,
    training_data: object,
    parent_version: int | None,
) -> Draft:
    """The draft of what `create_model` was told; raises CallerError for what cannot be kept."""
    if version is not None:
        raise CallerError(
            f"Version {version!r} of model {name!r} was asked for.",
            "Numbers are claimed when a model is saved, and never chosen: two that save at once both get their own.",
            "Leave the version out, and call what you save by an alias: model.set_alias('champion').",
        )
    return Draft(
        name=check_model_name(name),
        framework=framework,
        metrics=metrics_of(metrics),
        description=description or "",
        input_example=input_example_of(input_example),
        model_schema=_schema_of(model_schema),
        tags=_tags_of(tags),
        training_data=plain(training_data),
        parent_version=parent_version,
    )


def training_data_of(training_data: object, feature_view: object, training_dataset_version: object) -> object:
    """What it was trained on: as it was said, or the feature view and which of its training datasets.

    Raises:
        CallerError: both were said.
    """
    if feature_view is None and training_dataset_version is None:
        return training_data
    if training_data is not None:
        raise CallerError(
            "The training data was told twice.", "Either training_data or feature_view is expected.", "Say it once."
        )
    if not isinstance(feature_view, str | None):
        feature_view = {part: getattr(feature_view, part, None) for part in ("name", "version")}
    return {"feature_view": feature_view, "training_dataset_version": training_dataset_version}


def _schema_of(schema: object) -> object:
    if schema is None or isinstance(schema, Mapping):
        return plain(schema)
    if isinstance(schema, ModelSchema):
        return schema.to_dict()
    raise CallerError(
        f"The model schema is {type(schema).__name__} {str(schema)[:80]!r}.",
        "A ModelSchema was expected.",
        "Give ModelSchema(input_schema=Schema(…), output_schema=Schema(…)).",
    )


def _tags_of(tags: object) -> dict[str, Any]:
    if tags is None:
        return {}
    if isinstance(tags, Mapping) and set(tags) != {"name", "value"}:
        pairs = list(tags.items())
    else:
        pairs = [_tag_of(tag) for tag in (tags if isinstance(tags, list | tuple) else [tags])]
    return {tag: check_tag(tag, value) for tag, value in pairs}


def _tag_of(tag: object) -> tuple[str, Any]:
    if isinstance(tag, Mapping):
        name, value = tag.get("name"), tag.get("value")
    else:
        name, value = getattr(tag, "name", None), getattr(tag, "value", None)
    if not isinstance(name, str) or value is None:
        raise CallerError(
            f"The tag {tag!r} has no name, or no value.",
            "A dict such as {'owner': 'ada'} was expected, or {'name': 'owner', 'value': 'ada'}, or a list of these.",
            "Give it both.",
        )
    return name, value
