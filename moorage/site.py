"""Where the work is done: one project's store, registry, ledgers and backends, opened from the settings."""

from __future__ import annotations

import base64
import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from moorage.announcing import Announcer
from moorage.errors import StoreRefused
from moorage.inference_log.broker import Broker
from moorage.ledger import Ledger
from moorage.predictor import ServingTool
from moorage.registry.cache import ModelCache
from moorage.registry.registry import Registry
from moorage.serving.base import Backend
from moorage.serving.catalog import backend_for
from moorage.settings import Settings
from moorage.store import open_store
from moorage.store.base import ObjectStore

if TYPE_CHECKING:
    from moorage.inference_log.topics import Topics


@dataclass(frozen=True)
class Site:
    """What every verb of `rollout` works on. Cheap to make: each part is opened when it is first needed.

    Attributes:
        actor: who acts, as registry and ledger record it.
    """

    settings: Settings
    actor: str

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, *, project: str | None = None, store: str | None = None
    ) -> Site:
        """The site that `MOORAGE_*` describes; the acting person is this process's user on this machine."""
        settings = Settings.from_env(os.environ if environ is None else environ, project=project, store=store)
        return cls(settings, f"{_user()}@{socket.gethostname()}")

    @cached_property
    def store(self) -> ObjectStore:
        if not self.settings.store:
            self._make_home()
        return open_store(self.settings.store_url)

    @cached_property
    def registry(self) -> Registry:
        settings = self.settings
        cache = ModelCache(settings.cache_folder, settings.cache_bytes) if settings.cache_bytes else None
        return Registry(self.store, settings.project, cache=cache, tell=self.announcer.tell)

    @property
    def announcer(self) -> Announcer:
        """Tells whoever MOORAGE_EVENTS names."""
        return Announcer(self.settings.project, self.settings.events_url, authorization(os.environ))

    @property
    def topics(self) -> Topics:
        """Where inferences are logged to. Raises LogRefused where no broker is named."""
        broker = Broker.from_env(self.settings.kafka, self.settings.schema_registry, os.environ)
        # imported here: whoever logs nothing needs no client of Kafka's
        from moorage.inference_log.topics import Topics

        return Topics(broker)

    def ledger(self, deployment: str) -> Ledger:
        return Ledger(self.store, self.settings.project, deployment, actor=self.actor)

    def backend(self, tool: ServingTool) -> Backend:
        if tool not in self._backends:
            self._backends[tool] = backend_for(tool, self.settings)
        return self._backends[tool]

    @cached_property
    def _backends(self) -> dict[ServingTool, Backend]:
        """Those in use: a connection to a cluster is kept."""
        return {}

    def _make_home(self) -> None:
        try:
            self.settings.make_home()
        except OSError as exc:
            raise StoreRefused(
                f"The folder {self.settings.home} cannot be made: {exc.strerror or exc}.",
                "Moorage keeps its embedded store and what runs on this machine there.",
                "Grant access, or set MOORAGE_HOME to a folder of yours.",
            ) from exc


def authorization(environ: Mapping[str, str]) -> str:
    """What a Prefect server is told in the header of that name, as Prefect's own clients do; empty: nothing.

    https://docs.prefect.io/v3/advanced/security-settings
    """
    if key := environ.get("PREFECT_API_KEY"):
        return f"Bearer {key}"
    if pair := environ.get("PREFECT_API_AUTH_STRING"):
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        return str(os.getuid())
