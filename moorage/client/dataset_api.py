"""Files of a project beside its models: scripts and configuration that deployments are made of."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path

from moorage.project_files import RESOURCES, upload
from moorage.site import Site


class DatasetApi:
    """Puts files into the project, where `script_file` and `config_file` may name them.

    Examples:
        >>> import moorage
        >>> project = moorage.login()
        >>> path = project.get_dataset_api().upload("predictor.py", "Resources", overwrite=True)
        >>> path
        'Resources/predictor.py'
        >>> model = project.get_model_registry().python.create_model("iris").save("trained")
        >>> deployment = model.deploy(script_file=f"/Projects/{project.name}/{path}")
        >>> deployment.is_running()
        True
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def upload(self, local_path: str | PathLike[str], upload_path: str = RESOURCES, overwrite: bool = False) -> str:
        """Puts a file, or a folder with all that is in it, into a folder of the project; returns its path in there.

        Args:
            upload_path: the folder.
            overwrite: replace what has the same name.

        Raises:
            NotFound: nothing is at `local_path`.
            CallerError: a file of that name is there already, or the folder is the registry's own.
        """
        return upload(self._site, Path(fspath(local_path)), upload_path, overwrite=overwrite)
