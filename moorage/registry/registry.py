"""The registry's face: publish a model, find it again, give it artifact files, fetch it verified."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from moorage.names import check_model_name, check_project_name
from moorage.predictor import LATEST, ModelSource
from moorage.registry import versions
from moorage.registry.artifacts import ArtifactFiles, ArtifactShelf, ArtifactVersion, Built
from moorage.registry.download import download_folder
from moorage.registry.keys import Keys
from moorage.registry.model_files import check_input_example, check_metrics, find_model_files
from moorage.registry.record import ModelVersion, Published
from moorage.store.base import ObjectStore
from moorage.store.records import Clock, utc_now


def check_source(name: str, source: ModelSource) -> None:
    """Raises the CallerError that publishing the source under this name would, without hashing or writing anything."""
    check_model_name(name)
    check_metrics(source)
    check_input_example(source)
    find_model_files(Path(source.path))


class Registry:
    """The model versions and artifact versions of one project."""

    def __init__(self, store: ObjectStore, project: str, *, clock: Clock = utc_now) -> None:
        self.project = check_project_name(project)
        self._store = store
        self._keys = Keys(project)
        self._clock = clock

    def publish(self, name: str, source: ModelSource, *, actor: str = "") -> Published:
        """Makes what training saved a new model version.

        When the newest version has the same files, framework, metrics, input example and description, that version
        is returned and nothing is written. Safe beside any number of other publishers: each gets a number of its
        own. A publisher that dies leaves its number unused.

        Args:
            actor: who publishes; kept with the version.

        Raises:
            CallerError: the name or the source breaks a rule, with nothing written; or a model file changed while
                it was published, with no version made.
            StoreRefused, StoreUnavailable: the store could not take it; no version was made.
        """
        return versions.publish(self._store, self._keys, name=name, source=source, actor=actor, clock=self._clock)

    def get(self, name: str, version: int | Literal["latest"] = LATEST) -> ModelVersion:
        """One model version; 'latest' is the one with the largest number.

        Raises:
            NotFound: there is none; the message names the models, or the versions, that exist.
        """
        check_model_name(name)
        if version == LATEST:
            found = next(versions.committed_versions(self._store, self._keys, name=name), None)
        else:
            found = versions.find_version(self._store, self._keys, name=name, version=version)
        if found is None:
            number = None if version == LATEST else version
            raise versions.not_found(self._store, self._keys, name=name, version=number)
        return found

    def models(self) -> list[str]:
        """The names of all models that have a version, sorted."""
        return versions.model_names(self._store, self._keys)

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, newest first.

        Raises:
            NotFound: it has none.
        """
        found = list(versions.committed_versions(self._store, self._keys, name=check_model_name(name)))
        if not found:
            raise versions.not_found(self._store, self._keys, name=name, version=None)
        return found

    def build_artifact_version(
        self, model: ModelVersion, files: ArtifactFiles, *, wanted: int | None = None, actor: str = ""
    ) -> Built:
        """The artifact version of `model` that holds just these files; made when there is none yet.

        The same files under the same names always give the same number. Without files it is version 0, and nothing
        is written.

        Args:
            wanted: the number it must have. Without files, that version is used as it is.
            actor: who builds; kept with the version.

        Raises:
            NotFound: a file, or the wanted version, does not exist.
            InvalidName: the wanted version holds other files (it cannot be modified, and 0 holds none), or the two
                files have one name.
        """
        return self._shelf(model.name, model.version).build(files, wanted=wanted, actor=actor)

    def get_artifact_version(self, name: str, model_version: int, number: int) -> ArtifactVersion:
        """One artifact version; 0 always exists, and has no files.

        Completes the files in the store when the builder was killed before it could.

        Raises:
            NotFound: there is none; the message says which exist.
        """
        return self._shelf(check_model_name(name), model_version).get(number)

    def download_model(self, model: ModelVersion, target: Path) -> None:
        """Makes `target` the folder of the model files, each verified; see `download_folder`."""
        prefix = self._keys.model_files(model.name, model.version)
        download_folder(self._store, prefix, model.files, target)

    def download_artifact(self, artifact: ArtifactVersion, target: Path) -> None:
        """Makes `target` the folder of the artifact files, each verified; an empty one for version 0."""
        prefix = self._keys.artifact_files(artifact.model, artifact.model_version, artifact.version)
        download_folder(self._store, prefix, artifact.files, target)

    def _shelf(self, name: str, model_version: int) -> ArtifactShelf:
        return ArtifactShelf(self._store, self._keys, name=name, model_version=model_version, clock=self._clock)
