"""How a model is to be served, described in a notebook; nothing is done before it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from moorage.client.described import Described, Option
from moorage.declaration import parse_specification
from moorage.deployment import DeploymentSpec
from moorage.errors import CallerError
from moorage.names import deployment_name_of
from moorage.predictor import ModelServer
from moorage.site import Site

if TYPE_CHECKING:
    from moorage.client.deployment import Deployment
    from moorage.client.model import Model

# Hopsworks' word for: reuse the artifact version with the same files, else create one.
CREATE: Final = "CREATE"


class Predictor(Described):
    """What is to be deployed: a model version, and how it is served. `model.deploy` makes one and deploys it at once.

    Examples:
        >>> import moorage
        >>> project = moorage.login()
        >>> model = project.get_model_registry().python.create_model("iris_model").save("trained")
        >>> predictor = project.get_model_serving().create_predictor(model, script_file="predictor.py")
        >>> predictor
        Predictor('irismodel', model='iris_model', version=1)
    """

    model_server = Option[ModelServer | None]()

    def __init__(self, site: Site, spec: DeploymentSpec) -> None:
        super().__init__(spec)
        self._site = site

    def deploy(self, *, start: bool = True) -> Deployment:
        """Takes it online and returns once it answers; what cannot be proven is taken back.

        Args:
            start: False makes the deployment, and leaves the start to `deployment.start()`.

        Raises:
            InvalidSpec: with every rule that it breaks; nothing was done.
            ProvisionFailed: it could not be proven, and why.
        """
        from moorage.client.deployment import Deployment

        deployment = Deployment(self._site, self._spec)
        deployment.save(start=start)
        return deployment

    def __repr__(self) -> str:
        return f"Predictor({self.name!r}, model={self.model_name!r}, version={self.model_version!r})"


def predictor_of(site: Site, model: Model, options: Mapping[str, Any]) -> Predictor:
    """The predictor of a saved model; raises InvalidSpec for options that no specification can have."""
    if model.version is None:
        raise CallerError(f"Model {model.name!r} is not saved yet.", "", "Save it first: model.save(path).")
    given = {name: value for name, value in options.items() if value is not None}
    if str(given.get("artifact_version", "")).upper() == CREATE:
        del given["artifact_version"]
    given.setdefault("name", deployment_name_of(model.name))
    given["model"] = {"name": model.name, "version": model.version}
    return Predictor(site, parse_specification(given, str(given["name"])))
