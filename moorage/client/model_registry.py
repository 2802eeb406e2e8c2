"""The models of a project: described here, found here, compared and named here."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, SupportsIndex

from moorage.client.draft import draft_of, training_data_of
from moorage.client.model import Model
from moorage.errors import CallerError, NotFound
from moorage.names import LATEST
from moorage.predictor import Framework
from moorage.registry.summary import Summary
from moorage.site import Site


class ModelRegistry:
    """The models of one project.

    Examples:
        >>> import moorage
        >>> mr = moorage.login().get_model_registry()
        >>> for accuracy in (0.91, 0.97, 0.94):
        ...     model = mr.sklearn.create_model("iris", metrics={"accuracy": accuracy}).save("trained")
        >>> mr.get_model("iris")
        Model('iris', version=3, framework='SKLEARN')
        >>> mr.get_best_model("iris", "accuracy", "max").version
        2

    Attributes:
        python: describes models of any framework without a module of its own; so do `sklearn`, `torch`, `tensorflow`
            and `llm` for theirs.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.python = FrameworkModels(site, Framework.PYTHON)
        self.sklearn = FrameworkModels(site, Framework.SKLEARN)
        self.torch = FrameworkModels(site, Framework.TORCH)
        self.tensorflow = FrameworkModels(site, Framework.TENSORFLOW)
        self.llm = FrameworkModels(site, Framework.LLM)

    @property
    def project_name(self) -> str:
        """The project whose models they are."""
        return self._site.settings.project

    def get_model(self, name: str, version: int | str | None = None) -> Model | None:
        """One version of a model, None when there is none; without a version the newest.

        Hopsworks gives version 1 when none is named, and a warning: what serves then is old without anybody noticing.

        Examples:
            >>> import moorage
            >>> mr = moorage.login().get_model_registry()
            >>> mr.python.create_model("iris").save("trained").set_alias("champion")
            >>> mr.get_model("iris"), mr.get_model("iris", "champion"), mr.get_model("iris", 9)
            (Model('iris', version=1, framework='PYTHON'), Model('iris', version=1, framework='PYTHON'), None)

        Args:
            version: its number, an alias, or 'latest'.
        """
        try:
            return Model(self._site, name, self._site.registry.get(name, _version(version)))
        except NotFound:
            return None

    def get_models(self, name: str | None = None) -> list[Model]:
        """All versions of a model, newest first; without a name the newest version of every model.

        Examples:
            >>> import moorage
            >>> mr = moorage.login().get_model_registry()
            >>> model = mr.python.create_model("iris").save("trained")
            >>> mr.get_models("iris"), mr.get_models("roses")
            ([Model('iris', version=1, framework='PYTHON')], [])
        """
        registry = self._site.registry
        if name is None:
            return [Model(self._site, model, registry.get(model)) for model in registry.models()]
        return [Model(self._site, name, summary) for summary in self._versions(name)]

    def get_best_model(self, name: str, metric: str, direction: str) -> Model | None:
        """The version with the largest or smallest value of a metric, of equals the newest; None when none has it.

        Examples:
            >>> import moorage
            >>> mr = moorage.login().get_model_registry()
            >>> model = mr.python.create_model("iris", metrics={"loss": 0.3}).save("trained")
            >>> mr.get_best_model("iris", "loss", "min").version
            1

        Args:
            direction: `max` or `min`, in any case.
        """
        best = {"max": max, "min": min}.get(str(direction).lower())
        if best is None:
            raise CallerError(
                f"Direction {direction!r} is not known.", "'max' or 'min' is expected.", "Say which is better."
            )
        having = [summary for summary in self._versions(name) if metric in summary.metrics]
        found = best(having, key=lambda summary: summary.metrics[metric], default=None)
        return None if found is None else Model(self._site, name, found)

    def set_alias(self, name: str, alias: str, version: int | str, reason: str = "") -> None:
        """Points an alias to a version, wherever it pointed before.

        Examples:
            >>> import moorage
            >>> mr = moorage.login().get_model_registry()
            >>> model = mr.python.create_model("iris").save("trained")
            >>> mr.set_alias("iris", "champion", 1)
            >>> mr.get_model("iris", "champion").version
            1

        Raises:
            NotFound: there is no such version.
        """
        self.set_aliases(name, {alias: version}, reason)

    def set_aliases(self, name: str, moves: Mapping[str, int | str | None], reason: str = "") -> None:
        """Points several aliases to versions in one write, or takes those with None away: all of it, or nothing.

        Examples:
            >>> import moorage
            >>> mr = moorage.login().get_model_registry()
            >>> model = mr.python.create_model("iris").save("trained")
            >>> mr.set_aliases("iris", {"champion": "latest", "challenger": None}, reason="first of all")
            >>> model.aliases
            ['champion']
        """
        registry = self._site.registry
        numbers = {
            alias: None if version is None else registry.get(name, _version(version)).version
            for alias, version in moves.items()
        }
        registry.references(name).move_aliases(numbers, actor=self._site.actor, reason=reason)

    def __repr__(self) -> str:
        return f"ModelRegistry({self.project_name!r})"

    def _versions(self, name: str) -> list[Summary]:
        try:
            return list(self._site.registry.versions(name))
        except NotFound:
            return []


class FrameworkModels:
    """Describes models of one framework.

    Examples:
        >>> import moorage
        >>> mr = moorage.login().get_model_registry()
        >>> mr.torch.create_model("iris", metrics={"loss": 0.1}, tags={"owner": "ada"}, training_data="flowers v2")
        Model('iris', not saved yet)
    """

    def __init__(self, site: Site, framework: Framework) -> None:
        self._site = site
        self._framework = framework

    def create_model(
        self,
        name: str,
        version: None = None,
        metrics: Mapping[str, Any] | None = None,
        description: str | None = None,
        input_example: Any = None,
        model_schema: Any = None,
        feature_view: Any = None,
        training_dataset_version: int | None = None,
        tags: Any = None,
        *,
        training_data: Any = None,
        parent_version: int | None = None,
    ) -> Model:
        """Describes a model; nothing is stored until it is saved. What cannot be kept is refused with a CallerError.

        Args:
            version: numbers are claimed when a model is saved; any but None is refused.
            input_example: one request's inputs: a list, a dict, an array, a Series, or a DataFrame's first row.
            feature_view: what it was trained on, as a feature store has it, and which training dataset of it.
            tags: by name, or Hopsworks' `{"name": …, "value": …}`, one or a list of them.
            training_data: what it was trained on, in any words that JSON can hold.
        """
        draft = draft_of(
            name,
            self._framework,
            version=version,
            metrics=metrics,
            description=description,
            input_example=input_example,
            model_schema=model_schema,
            tags=tags,
            training_data=training_data_of(training_data, feature_view, training_dataset_version),
            parent_version=parent_version,
        )
        return Model(self._site, name, draft)


def _version(version: int | str | SupportsIndex | None) -> int | str:
    if version is None:
        return LATEST
    if isinstance(version, str):
        return version
    try:
        # Of numpy's integers too, which come out of a frame of versions.
        return operator.index(version)
    except TypeError:
        raise CallerError(
            f"Version {version!r} is {type(version).__name__}.", "A number, an alias or 'latest' was expected."
        ) from None
