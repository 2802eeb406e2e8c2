"""A model in a notebook: described, then saved, and from then on one version that can be named, tagged and fetched."""

from __future__ import annotations

from datetime import datetime
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moorage.client.draft import Draft
from moorage.client.saving import Said, source_to_publish
from moorage.errors import CallerError
from moorage.predictor import Lineage
from moorage.registration import locate, register
from moorage.registry.attachments import ENVIRONMENT, PROGRAM
from moorage.registry.keys import Keys
from moorage.registry.record import FileEntry, ModelVersion
from moorage.registry.reference_log import ReferenceLog
from moorage.registry.summary import Summary
from moorage.registry.target import check_target
from moorage.site import Site

if TYPE_CHECKING:
    from moorage.client.deployment import Deployment


class Model:
    """One version of a model; before it is saved, the description of one.

    Examples:
        >>> import moorage
        >>> mr = moorage.login().get_model_registry()
        >>> model = mr.python.create_model("iris", metrics={"accuracy": 0.97})
        >>> model
        Model('iris', not saved yet)
        >>> model.save("trained")
        Model('iris', version=1, framework='PYTHON')
        >>> model.training_metrics, [file.path for file in model.files]
        ({'accuracy': 0.97}, ['model.txt'])
        >>> mr.sklearn.create_model("iris").save("trained/model.txt", git_commit="4e71459").lineage.git_commit
        '4e71459'
    """

    def __init__(self, site: Site, name: str, known: Draft | Summary) -> None:
        self._site = site
        self._name = name
        self._known = known
        self._record = known if isinstance(known, ModelVersion) else None

    def save(
        self,
        model_path: str | PathLike[str],
        await_registration: float = 480,  # noqa: ARG002 -- for Hopsworks' notebooks: what is saved is registered here
        keep_original_files: bool = True,
        *,
        program: str | PathLike[str] | None = None,
        environment: str | None = None,
        git_commit: str | None = None,
        flow_run: str | None = None,
        idempotency_key: str | None = None,
    ) -> Model:
        """Publishes what training saved, and becomes that version; the same again is the version that is there.

        Kept with it are the installed packages, the running script or notebook, its git commit, and the Prefect flow
        run, each where it can be found. What is given is kept in its place; an empty text keeps nothing.

        Args:
            model_path: a folder or a file on this machine, or a path in the store: `Projects/…`.
            keep_original_files: files are always copied; False is refused for those that lie in the store.
            idempotency_key: names this attempt: repeated with it, it gives the same version.

        Raises:
            CallerError: model or files cannot be kept, or there are none at the path; nothing was written.
        """
        draft = self._unsaved()
        said: Said = {"program": program, "environment": environment, "git_commit": git_commit, "flow_run": flow_run}
        path = locate(self._site.store, fspath(model_path))
        if not keep_original_files and not Path(path).is_absolute():
            raise CallerError(
                "The files were to be moved.", "Models are copied, never moved.", "Delete them afterwards."
            )
        source = source_to_publish(draft, path, said)
        done = register(self._site, self.name, source, tags=draft.tags, idempotency_key=idempotency_key)
        self._known = self._record = done.model
        return self

    def download(self, local_path: str | PathLike[str] | None = None) -> str:
        """Brings the model files to this machine, each of them verified, and returns the folder they are in.

        Examples:
            >>> import moorage
            >>> from pathlib import Path
            >>> mr = moorage.login().get_model_registry()
            >>> model = mr.python.create_model("iris").save("trained")
            >>> Path(model.download(), "model.txt").read_text()
            'petals'
            >>> model.download("here")
            'here'

        Args:
            local_path: the folder to make: nothing may be there yet but the very same files. None: a folder of this
                user's cache, read-only, which every process that asks for the same files shares.

        Raises:
            CallerError: something else is at `local_path`; it stays as it is.
            IntegrityError: what lies in the store is not what was published.
        """
        record = self._saved()
        if local_path is None:
            return str(self._site.registry.cached(record))
        check_target(record, Path(local_path))
        self._site.registry.download_model(record, Path(local_path))
        return fspath(local_path)

    def deploy(self, name: str | None = None, *, start: bool = True, **options: Any) -> Deployment:
        """Takes this version online and returns once it answers; what cannot be proven is taken back.

        Examples:
            >>> import moorage
            >>> mr = moorage.login().get_model_registry()
            >>> deployment = mr.python.create_model("iris").save("trained").deploy(script_file="predictor.py")
            >>> deployment.predict(inputs=[[1, 2]])
            {'predictions': ['petals']}

        Args:
            name: of the deployment; by default the model's, letters and digits alone.
            start: False makes the deployment, and leaves the start to `deployment.start()`.
            options: as for `ms.create_predictor`.

        Raises:
            InvalidSpec: with every rule that it breaks; nothing was done.
            ProvisionFailed: it could not be proven, and why.
        """
        from moorage.client.predictor import predictor_of

        return predictor_of(self._site, self, {"name": name, **options}).deploy(start=start)

    def delete(self, reason: str = "") -> None:
        """Deletes this version and its files, for good, without asking; refused while anything points to it.

        Examples:
            >>> import moorage
            >>> mr = moorage.login().get_model_registry()
            >>> mr.python.create_model("iris").save("trained").delete()
            >>> mr.get_model("iris") is None
            True

        Raises:
            CallerError: an alias points to it, or a deployment runs it; all are named.
        """
        self._references.delete(self._number, actor=self._site.actor, reason=reason)

    def set_alias(self, alias: str, reason: str = "") -> None:
        """Points the alias to this version, wherever it pointed before.

        Examples:
            >>> import moorage
            >>> mr = moorage.login().get_model_registry()
            >>> mr.python.create_model("iris").save("trained").set_alias("champion", reason="beats the old one")
            >>> mr.get_model("iris", "champion").aliases
            ['champion']
        """
        self._references.move_aliases({alias: self._number}, actor=self._site.actor, reason=reason)

    def delete_alias(self, alias: str, reason: str = "") -> None:
        """Takes the alias away from this version; one that is not there is gone already.

        Raises:
            CallerError: it points to another version.
        """
        target = self._references.state().aliases.get(alias, self._number)
        if target != self._number:
            raise CallerError(
                f"Alias {alias!r} of model {self.name!r} points to version {target}, not to {self._number}.",
                "",
                f"Take it away with mr.set_aliases({self.name!r}, {{{alias!r}: None}}).",
            )
        self._references.move_aliases({alias: None}, actor=self._site.actor, reason=reason)

    def add_tag(self, name: str, value: Any) -> None:
        """Tags this version, in place of the tag's former value; any value that JSON can hold.

        Examples:
            >>> import moorage
            >>> model = moorage.login().get_model_registry().python.create_model("iris").save("trained")
            >>> model.add_tag("approved", {"by": "ada"})
            >>> model.get_tag("approved"), model.get_tags()
            ({'by': 'ada'}, {'approved': {'by': 'ada'}})
            >>> model.delete_tag("approved")
            >>> model.get_tag("approved") is None
            True
        """
        self._references.set_tag(self._number, name, value, actor=self._site.actor)

    set_tag = add_tag

    def get_tag(self, name: str) -> Any:
        """The value of the tag; None when there is none."""
        return self.get_tags().get(name)

    def get_tags(self) -> dict[str, Any]:
        """All tags of this version."""
        return self._references.state().tags.get(self._number, {})

    def delete_tag(self, name: str) -> None:
        """Takes the tag off; one that is not there is gone already."""
        self._references.delete_tag(self._number, name, actor=self._site.actor)

    @property
    def name(self) -> str:
        """The model's name, which all its versions share."""
        return self._name

    @property
    def version(self) -> int | None:
        """The version's number; None until it is saved."""
        return None if isinstance(self._known, Draft) else self._known.version

    @property
    def id(self) -> str | None:
        """Name and number, `iris_3`; None until it is saved."""
        return None if self.version is None else f"{self.name}_{self.version}"

    @property
    def framework(self) -> str:
        """What it was trained with: PYTHON, SKLEARN, TORCH, TENSORFLOW or LLM."""
        return str(self._known.framework)

    @property
    def description(self) -> str:
        """What is special about it."""
        return self._known.description

    @property
    def training_metrics(self) -> dict[str, float]:
        """The training metrics."""
        return dict(self._known.metrics)

    @property
    def input_example(self) -> Any:
        """One request's inputs, as JSON; None when there is none."""
        return self._known.input_example if isinstance(self._known, Draft) else self._saved().input_example

    @property
    def model_schema(self) -> Any:
        """The schema of inputs and outputs, as JSON; None when there is none."""
        return self._known.model_schema if isinstance(self._known, Draft) else self._saved().schema

    @property
    def created(self) -> datetime:
        """When it was saved, in UTC, by the clock of the machine that did."""
        return datetime.fromisoformat(self._summary.created_at)

    @property
    def creator(self) -> str:
        """Who saved it."""
        return self._summary.created_by

    @property
    def digest(self) -> str:
        """Of all files with their paths: `sha256:<hex>`."""
        return self._summary.digest

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return self._summary.size

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """Its files: path, size in bytes, SHA-256."""
        return self._saved().files

    @property
    def lineage(self) -> Lineage:
        """Where it comes from: flow run, git commit, parent version, training data."""
        return self._saved().lineage

    @property
    def environment(self) -> str | None:
        """The packages that it was trained with, a line each; None when that was not kept."""
        return self._attachment(ENVIRONMENT)

    @property
    def program(self) -> str | None:
        """The text of the script or notebook that trained it; None when that was not kept."""
        return self._attachment(PROGRAM)

    @property
    def aliases(self) -> list[str]:
        """The aliases that point to it now."""
        return self._references.state().aliases_of(self._number)

    @property
    def model_path(self) -> str:
        """Where all versions of the model lie in the store."""
        return self.version_path.rpartition("/")[0]

    @property
    def version_path(self) -> str:
        """Where this version lies in the store."""
        return self.model_files_path.rpartition("/")[0]

    @property
    def model_files_path(self) -> str:
        """Where its model files lie in the store; `create_model(…).save` takes that as a path."""
        return "/" + Keys(self._site.settings.project).model_files(self.name, self._number).rstrip("/")

    def __repr__(self) -> str:
        if self.version is None:
            return f"Model({self.name!r}, not saved yet)"
        return f"Model({self.name!r}, version={self.version}, framework={self.framework!r})"

    @property
    def _summary(self) -> Summary:
        if isinstance(self._known, Draft):
            raise CallerError(f"Model {self.name!r} is not saved yet.", "", "Save it first: model.save(path).")
        return self._known

    @property
    def _number(self) -> int:
        return self._summary.version

    @property
    def _references(self) -> ReferenceLog:
        return self._site.registry.references(self.name)

    def _unsaved(self) -> Draft:
        if isinstance(self._known, Draft):
            return self._known
        raise CallerError(
            f"Model {self.name!r} is saved already, as version {self.version}.",
            "A version never changes.",
            "Describe a new one with create_model, then save that.",
        )

    def _saved(self) -> ModelVersion:
        if self._record is None:
            self._record = self._site.registry.get(self.name, self._number)
        return self._record

    def _attachment(self, stem: str) -> str | None:
        record = self._saved()
        name = next((entry.path for entry in record.attachments if Path(entry.path).stem == Path(stem).stem), None)
        return None if name is None else self._site.registry.attachment(record, name).decode(errors="replace")
