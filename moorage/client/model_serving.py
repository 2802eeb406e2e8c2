"""The model deployments of a project: described here, made here, found here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from moorage import lifecycle
from moorage.client.deployment import Deployment
from moorage.client.model import Model
from moorage.client.predictor import Predictor, predictor_of
from moorage.components import Transformer
from moorage.declaration import parse_specification
from moorage.deployment import Revision, State, specified
from moorage.errors import CallerError, NotFound
from moorage.resources import PredictorResources, Scaling
from moorage.site import Site

# Set in every model server: a script finds the deployment that it is.
_OWN_NAME: Final = "DEPLOYMENT_NAME"
# A specification around a transformer that is described before there is one.
_ANY: Final = {"name": "any", "model": {"name": "any"}}


class ModelServing:
    """The model deployments of one project.

    Examples:
        >>> import moorage
        >>> ms = moorage.login().get_model_serving()
        >>> ms.get_deployments(), ms.get_deployment("iris") is None
        ([], True)
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def project_name(self) -> str:
        """The project whose deployments they are."""
        return self._site.settings.project

    def create_predictor(self, model: Model, **options: Any) -> Predictor:
        """Describes how a model is to be served; nothing is done before it is deployed.

        Args:
            model: a saved version.
            options: those of the YAML file: `name` (by default the model's, letters and digits alone), `script_file`,
                `config_file`, `model_server`, `serving_tool`, `artifact_version`, `environment`, `env_vars`,
                `resources`, `scaling_configuration`, and the others; dicts do for objects.

        Raises:
            InvalidSpec: no specification can be so; the message says which option, and what is expected.
        """
        return predictor_of(self._site, model, options)

    def create_transformer(
        self,
        script_file: str | None = None,
        resources: PredictorResources | Mapping[str, Any] | None = None,
        scaling_configuration: Scaling | Mapping[str, Any] | None = None,
        env_vars: Mapping[str, Any] | None = None,
    ) -> Transformer:
        """Describes what changes requests before they reach the predictor, and answers before they reach the caller.

        Examples:
            >>> import moorage
            >>> ms = moorage.login().get_model_serving()
            >>> ms.create_transformer("transformer.py", resources={"num_instances": 2})
            Transformer(script_file='transformer.py', resources=PredictorResources(instances=2))

        Args:
            script_file: a .py file or a notebook with a class `Transformer`, which has `preprocess(self, inputs)`,
                `postprocess(self, outputs)`, or both. The one gets the whole body of a request, and returns the body
                that the predictor is asked with; the other gets the predictions. None: the script of the artifact
                version that is asked for.
            resources, scaling_configuration, env_vars: its own, apart from the predictor's.

        Raises:
            InvalidSpec: no transformer can be so.
        """
        options = {
            "script_file": script_file,
            "resources": resources,
            "scaling_configuration": scaling_configuration,
            "env_vars": env_vars,
        }
        given = {name: value for name, value in options.items() if value is not None}
        made = parse_specification({**_ANY, "transformer": given}, "transformer").transformer
        assert made is not None  # noqa: S101 - it was given
        return made

    def create_deployment(
        self, predictor: Predictor, name: str | None = None, environment: str | None = None
    ) -> Deployment:
        """The deployment that a predictor is to be; it is there once it is saved.

        Args:
            name: by default the predictor's.
            environment: likewise.
        """
        if not isinstance(predictor, Predictor):
            raise CallerError(
                f"A predictor is required, not {type(predictor).__name__}.", "", "Make one with ms.create_predictor."
            )
        changes = {key: value for key, value in (("name", name), ("environment", environment)) if value is not None}
        plain = {key: getattr(predictor.specification, key) for key in predictor.specification.model_fields_set}
        return Deployment(self._site, parse_specification(plain | changes, name or predictor.name))

    def get_deployment(self, name: str | None = None) -> Deployment | None:
        """A deployment by its name, None when there is none; without a name, in a model server, its own.

        Raises:
            CallerError: no name was given, and this is no model server.
        """
        wanted = name or os.environ.get(_OWN_NAME)
        if not wanted:
            raise CallerError("No deployment was named.", f"{_OWN_NAME} names a model server's own.", "Give its name.")
        try:
            revision = lifecycle.revision_of(self._site, lifecycle.view(self._site, wanted))
        except NotFound:
            return None
        return None if revision is None else Deployment(self._site, specified(revision))

    get_deployment_by_id = get_deployment

    def get_deployments(self, model: Model | str | None = None, status: str | None = None) -> list[Deployment]:
        """All deployments, by name.

        Args:
            model: only those of this model; of a `Model`, of just this version.
            status: only those in this state, in any case: 'running'.

        Raises:
            CallerError: there is no such state.
        """
        wanted = None if status is None else State.read(status)
        found = (
            lifecycle.revision_of(self._site, view)
            for view in lifecycle.deployments(self._site)
            if wanted is None or view.seen.state is wanted
        )
        return [Deployment(self._site, specified(each)) for each in found if each is not None and _is_of(each, model)]

    def __repr__(self) -> str:
        return f"ModelServing({self.project_name!r})"


def _is_of(revision: Revision, model: Model | str | None) -> bool:
    served = revision.model
    if model is None or isinstance(model, str):
        return model in (None, served.name)
    return (served.name, served.version) == (model.name, model.version)
