"""Where everything starts: the project that one works in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage.client.dataset_api import DatasetApi
from moorage.client.model_registry import ModelRegistry
from moorage.site import Site

if TYPE_CHECKING:
    from moorage.client.model_serving import ModelServing


def login(project: str | None = None, store: str | None = None) -> Project:
    """The project to work in; nobody is asked for a password: what may be done, the store decides.

    Examples:
        >>> import moorage
        >>> project = moorage.login()
        >>> project.name
        'default'

    Args:
        project: its name; by default MOORAGE_PROJECT, or 'default'.
        store: URL of the object store that it is in, `s3://bucket/prefix` or `file:///folder`; by default
            MOORAGE_STORE, or a folder of this user's.

    Raises:
        InvalidName: of the project, or of a `MOORAGE_…` variable that there is not.
    """
    return Project(Site.from_env(project=project, store=store))


class Project:
    """A project, and the handles to what it has.

    Examples:
        >>> import moorage
        >>> moorage.login("fraud")
        Project('fraud')
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def name(self) -> str:
        """The project's name."""
        return self._site.settings.project

    def get_model_registry(self) -> ModelRegistry:
        """The project's models.

        Examples:
            >>> import moorage
            >>> moorage.login().get_model_registry().get_models()
            []
        """
        return ModelRegistry(self._site)

    def get_model_serving(self) -> ModelServing:
        """The project's model deployments.

        Examples:
            >>> import moorage
            >>> moorage.login().get_model_serving().get_deployments()
            []
        """
        # imported here: who registers models in a notebook asks no deployment, and need not load what asks
        from moorage.client.model_serving import ModelServing

        return ModelServing(self._site)

    def get_dataset_api(self) -> DatasetApi:
        """The project's files beside its models."""
        return DatasetApi(self._site)

    def __repr__(self) -> str:
        return f"Project({self.name!r})"
