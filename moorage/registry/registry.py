"""The registry's face: publish a model, find and name it, build its artifact versions, bring it down verified."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from moorage.errors import IntegrityError, NotFound
from moorage.names import LATEST, check_model_name, check_project_name
from moorage.predictor import ModelSource
from moorage.registry.access import Access, Manner
from moorage.registry.artifact_files import ArtifactFiles
from moorage.registry.artifacts import ArtifactShelf, ArtifactVersion, Built, Found
from moorage.registry.attachments import find_attachments, read_attachment
from moorage.registry.cache import ModelCache, temporary_folder
from moorage.registry.download import download_folder
from moorage.registry.garbage import Collected, Collector, Freed, models_with_numbers
from moorage.registry.keys import Keys
from moorage.registry.kserve_reader import left_out, storage_uri
from moorage.registry.manifests import newest_number
from moorage.registry.model_files import (
    check_input_example,
    check_lineage,
    check_metrics,
    check_schema,
)
from moorage.registry.news import ModelRegistered, Tell, keep_quiet
from moorage.registry.overview import Overview, overviews
from moorage.registry.publication import Publisher
from moorage.registry.record import LEASE_S, ModelVersion, Published, VersionSummary
from moorage.registry.reference_log import ReferenceLog
from moorage.registry.references import References
from moorage.registry.sources import find_sources
from moorage.registry.verification import verify_version
from moorage.registry.versions import all_versions, get_version, model_names, not_found, shown
from moorage.store.base import ObjectStore
from moorage.store.progress import UNWATCHED, Progress
from moorage.store.records import Clock, utc_now

logger = logging.getLogger(__name__)


class Registry:
    """The model versions and artifact versions of one project."""

    def __init__(
        self,
        store: ObjectStore,
        project: str,
        *,
        clock: Clock = utc_now,
        manner: Manner | None = None,
        cache: ModelCache | None = None,
        tell: Tell = keep_quiet,
    ) -> None:
        self.project = check_project_name(project)
        self._access = Access(store, Keys(project), clock, manner or Manner(), tell)
        self._cache = cache

    def check_source(self, name: str, source: ModelSource) -> tuple[str, ...]:
        """The paths that its files would have in the model; hashes and writes nothing.

        Raises:
            CallerError: what publishing the source under this name would raise for its own fault.
        """
        check_model_name(name)
        check_metrics(source)
        check_input_example(source)
        check_schema(source)
        check_lineage(source)
        find_attachments(source)
        return tuple(file.path for file in find_sources(self._access, source.path))

    def publish(
        self,
        name: str,
        source: ModelSource,
        *,
        actor: str = "",
        idempotency_key: str | None = None,
        progress: Progress = UNWATCHED,
    ) -> Published:
        """Makes what training saved a new model version.

        When the newest version has the same files, framework, metrics, input example, schema and description, that
        version is returned and nothing is written. Safe beside any number of other publishers: each gets a number of
        its own. A publisher that dies leaves its number unused.

        Files that the newest versions hold already are copied inside the store and not sent; so is what a publish that
        was cut off has left, once its process is known to have ended.

        Args:
            actor: who publishes; kept with the version.
            idempotency_key: names one attempt to publish, a flow run and a task for example: however often it is
                repeated, and by however many at once, one version is made, and all are told that one.

        Raises:
            CallerError: the name or the source breaks a rule, with nothing written; or a model file changed while
                it was published, with no version made.
            NotFound: the version that was made for the idempotency key was deleted.
            StoreRefused: the store could not take it; no version was made.
            StoreUnavailable: the store did not answer. When it was asked to commit, it may have; publish again, and
                the version is found by its content or its idempotency key.
        """
        check_model_name(name)
        publisher = self._publisher(name, actor=actor, idempotency_key=idempotency_key, progress=progress)
        published = publisher.publish(source)
        if not published.reused:
            self._tell_left_out(published.model)
            self._access.tell(ModelRegistered(published.model))
        return published

    def get(self, name: str, version: int | str = LATEST) -> ModelVersion:
        """One model version, by number or alias; 'latest' is the one with the largest number.

        Raises:
            NotFound: there is none; the message names the models, the versions or the aliases that exist, or says
                when and by whom the version was deleted.
        """
        return get_version(self._access, check_model_name(name), version)

    def models(self) -> list[str]:
        """The names of all models that have a version, sorted."""
        return model_names(self._access)

    def check_known(self, name: str) -> None:
        """Raises NotFound when no number of the model was ever taken; the message names the models that exist."""
        if newest_number(self._access, check_model_name(name)) == 0:
            raise not_found(self._access, name, None)

    def versions(self, name: str) -> list[VersionSummary]:
        """All versions of a model, newest first, as a list shows them; `get` returns all that is known of one.

        Raises:
            NotFound: it has none.
        """
        found = all_versions(self._access, check_model_name(name))
        if not found:
            raise not_found(self._access, name, None)
        return found

    def overviews(self, names: Collection[str]) -> dict[str, Overview]:
        """By name, what stands newest of each of these models; one that never had a version is left out.

        Takes one list, and a read for each model that has references, where `get` would take four reads for each.
        """
        return overviews(self._access, [check_model_name(name) for name in names])

    def references(self, name: str) -> ReferenceLog:
        """What points to the versions of a model: aliases, pins, tags, deletions, and their history."""
        return self._references(check_model_name(name))

    def attachment(self, model: ModelVersion, name: str) -> bytes:
        """What `name` held, one of the version's attachments: `environment.txt`, `program.py`.

        Raises:
            NotFound: it has none of this name.
            IntegrityError: what lies in the store is not what was published.
        """
        return read_attachment(self._access, model, name)

    def verify(self, name: str, version: int | str = LATEST, *, progress: Progress = UNWATCHED) -> ModelVersion:
        """The model version, after every byte of its files was read again and compared with its manifest.

        Raises:
            NotFound: there is none.
            IntegrityError: files are altered, short, missing or not the version's; all are named, with both digests.
        """
        # Its manifest is read again too.
        access = replace(self._access)
        model = get_version(access, check_model_name(name), version)
        verify_version(access, model, progress=progress)
        return model

    def collect_garbage(
        self,
        name: str | None = None,
        *,
        keep: int | None = None,
        spare: Callable[[str], Collection[int]] = lambda _: (),
        foresee: Callable[[str, References], References] = lambda _, state: state,
        lease_s: float = LEASE_S,
        now: float | None = None,
        dry_run: bool = False,
        actor: str = "",
        reason: str = "",
    ) -> Collected:
        """Frees what dead publishers left, and the files of deleted versions; of one model, or of all.

        Safe at any time, beside anything else, by any number at once.

        Args:
            keep: delete versions beyond the newest so many first, but for those that an alias or a pin points to.
            spare: says which versions of a model are not deleted either; asked where there are any to delete, after
                the references were read.
            foresee: what the references of a model will be by the time that versions are deleted; only a dry run asks.
            lease_s: how long a claim without a manifest is left alone, in seconds. Politeness only: a publisher
                that was taken for dead too early takes another number.
            now: seconds since the epoch, to measure the lease with; the time by default.
            dry_run: change nothing, and return what would be freed.
            actor: who collects; kept with the deletions.
            reason: why, beside how many are kept; kept with the deletions beyond those.

        Raises:
            NotFound: there is no model of that name, and never was.
        """
        if name is not None:
            self.check_known(name)
        options = {"now": time.time() if now is None else now, "lease_s": lease_s, "keep": keep}
        freed: list[Freed] = []
        for model in models_with_numbers(self._access) if name is None else [name]:
            freed += self._collector(
                model,
                spare=partial(spare, model),
                foresee=partial(foresee, model),
                dry_run=dry_run,
                actor=actor,
                reason=reason,
                **options,
            ).collect()
        return Collected(tuple(freed), dry_run)

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
            InvalidName: the wanted version holds other files (it cannot be modified, and 0 holds none), or script and
                configuration file have one name.
            CallerError: further files cannot be delivered; see `find_further_files`. Or a file changed meanwhile.
        """
        return self._shelf(model.name, model.version).build(files, wanted=wanted, actor=actor)

    def find_artifact_version(self, model: ModelVersion, files: ArtifactFiles) -> Found:
        """What `build_artifact_version` would find, with nothing written.

        Raises:
            CallerError: a file does not exist or cannot be delivered.
        """
        return self._shelf(model.name, model.version).find(files)

    def get_artifact_version(self, name: str, model_version: int, number: int) -> ArtifactVersion:
        """One artifact version; 0 always exists, and has no files.

        Completes the files in the store when the builder was killed before it could.

        Raises:
            NotFound: there is none; the message says which exist.
        """
        return self._shelf(check_model_name(name), model_version).get(number)

    def newest_artifact_version(self, name: str, model_version: int) -> int:
        """The number of the newest artifact version of a model version; 0 where there is none with files."""
        return self._shelf(check_model_name(name), model_version).newest()

    def download_model(self, model: ModelVersion, target: Path, *, progress: Progress = UNWATCHED) -> None:
        """Makes `target` the folder of the model files, each verified; see `download_folder`.

        Raises:
            NotFound: the version was deleted before all was read.
        """
        prefix = self._access.keys.model_files(model.name, model.version)
        try:
            download_folder(self._access.store, prefix, model.files, target, progress=progress)
        except (IntegrityError, NotFound):
            self.references(model.name).check_exists(model.version)
            raise

    def cached(self, model: ModelVersion) -> Path:
        """A read-only folder of the model files, each verified when it was fetched; shared with others who want them.

        Good until this process ends; see `ModelCache.folder`. Without a cache it is a temporary folder of its own,
        which goes when this process ends.

        Raises:
            NotFound: the version was deleted before all was read.
            StoreRefused: this machine's disk is full, or the cache's folder is not safe to use.
        """
        if self._cache is None:
            return temporary_folder(model, lambda folder: self.download_model(model, folder))
        return self._cache.folder(model, lambda folder: self.download_model(model, folder))

    def storage_uri(self, model: ModelVersion) -> str:
        """What KServe's own reader is given as `storageUri`: `s3://…/Files/` or `file:///…/Files/`.

        It ends with '/', because that reader lists by plain prefix: without it, what begins alike would come along
        (https://github.com/kserve/kserve/issues/3776). Nothing is verified this way. The reader leaves out empty files
        in S3 and hidden files and folders at the top of a directory store, and unpacks an archive that is the only
        file; Moorage's own fetch delivers all as it was.

        Raises:
            InvalidName: the store's URL is one that KServe would misread.
        """
        return storage_uri(self._access.store.url, self._access.keys.model_files(model.name, model.version))

    def download_artifact(self, artifact: ArtifactVersion, target: Path) -> None:
        """Makes `target` the folder of the artifact files, each verified; an empty one for version 0."""
        prefix = self._access.keys.artifact_files(artifact.model, artifact.model_version, artifact.version)
        download_folder(self._access.store, prefix, artifact.files, target)

    def _tell_left_out(self, model: ModelVersion) -> None:
        if paths := left_out(self._access.store.url, model.files):
            logger.warning(
                "Model %r version %d holds empty files: %s. KServe's own reader (storageUri) leaves these out; what "
                "Moorage fetches has them. If the model needs them there, put a byte in.",
                model.name,
                model.version,
                shown([repr(path) for path in paths]),
            )

    def _publisher(self, name: str, *, actor: str, idempotency_key: str | None, progress: Progress) -> Publisher:
        return Publisher(self._access, name, actor=actor, idempotency_key=idempotency_key, progress=progress)

    def _references(self, name: str) -> ReferenceLog:
        return ReferenceLog(self._access, name)

    def _collector(self, name: str, **options: Any) -> Collector:
        return Collector(self._access, name, **options)

    def _shelf(self, name: str, model_version: int) -> ArtifactShelf:
        return ArtifactShelf(self._access, name=name, model_version=model_version)
