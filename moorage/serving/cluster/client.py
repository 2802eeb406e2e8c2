"""The way to the API server: plain objects in and out, every failure one of our errors.

Connection, TLS and credentials are those of the official client and of KUBECONFIG; in a pod, the pod's own. Objects are
applied on the server, with a field manager of ours: what others own stays theirs, and a conflict is told, not settled.
https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, Configuration
from urllib3.exceptions import HTTPError

from moorage.errors import BackendRefused, BackendUnavailable
from moorage.serving.cluster.kinds import POD, Kind, kind_of
from moorage.serving.cluster.marks import FIELD_MANAGER, Manifest
from moorage.serving.cluster.own_pod import kubeconfig
from moorage.serving.cluster.refusals import Refusal
from moorage.startup import Cause

_CONNECT_S: Final = 5
_READ_S: Final = 30
_NO_RETRIES: Final = urllib3.Retry(0, redirect=False)


@dataclass
class Calls:
    """How often the API server was asked, for benchmarks and tests; a dry run writes nothing."""

    reads: int = 0
    writes: int = 0
    dry_runs: int = 0


@dataclass(frozen=True)
class ClusterClient:
    """One cluster, one namespace. Threads may share it.

    Attributes:
        calls: counted since it was made.
    """

    namespace: str
    api: ApiClient
    calls: Calls = field(default_factory=Calls)

    @classmethod
    def connect(cls, namespace: str, context: str = "") -> ClusterClient:
        """The cluster of KUBECONFIG's context, or the one whose pod this process runs in; asks nothing yet.

        Raises:
            BackendRefused: neither is there, or it cannot be read.
        """
        configuration = Configuration()
        try:
            _load(configuration, context or None)
        except (config.ConfigException, OSError, ValueError) as exc:
            raise BackendRefused(
                f"There is no cluster to deploy to: {str(exc).rstrip('.')}.",
                "KUBECONFIG, ~/.kube/config or the pod that Moorage runs in names one.",
                "Set KUBECONFIG, and MOORAGE_KUBE_CONTEXT where it holds several.",
                cause=Cause.API_UNREACHABLE,
            ) from exc
        return cls(namespace, ApiClient(configuration))

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return str(self.api.configuration.host)

    def get(self, kind: Kind, name: str) -> Manifest | None:
        """One object; None where there is none, or no such kind."""
        self.calls.reads += 1
        status, body = self._ask("GET", kind.path(self.namespace, name))
        return None if status == 404 else self._read(f"{kind.name} {name!r} was not read", status, body)

    def find(self, kind: Kind, *, selector: str = "", fields: str = "", everywhere: bool = False) -> list[Manifest]:
        """Objects of a kind, as the server's cache has them; none where there is no such kind.

        Args:
            selector, fields: on labels, and on fields.
            everywhere: in all namespaces.
        """
        self.calls.reads += 1
        query = {"labelSelector": selector, "fieldSelector": fields, "resourceVersion": "0"}
        status, body = self._ask("GET", kind.path("" if everywhere else self.namespace), query)
        if status == 404:
            return []
        found: list[Manifest] = self._read(f"{kind.plural} were not listed", status, body)["items"]
        return found

    def serves(self, kind: Kind) -> bool:
        """Whether the cluster has this kind, in this version."""
        self.calls.reads += 1
        status, body = self._ask("GET", f"/apis/{kind.version}" if kind.group else f"/api/{kind.version}")
        if status == 404:
            return False
        served = self._read(f"{kind.version} was not looked up", status, body)["resources"]
        return any(each["name"] == kind.plural for each in served)

    def apply(self, manifest: Manifest, *, dry_run: bool = False, force: bool = False) -> Manifest:
        """Applies an object and returns what it then is.

        Fields that a controller took in passing are taken back; those of anybody else only with `force`.

        Args:
            dry_run: everything but the writing: defaults, webhooks, validation.

        Raises:
            BackendRefused: a conflict, a webhook's or the API server's own refusal; nothing was changed.
        """
        kind, name = kind_of(manifest), manifest["metadata"]["name"]
        doing = f"{kind.name} {name!r} was not applied"
        status, body = self._applied(kind, manifest, dry_run=dry_run, force=force)
        if status == 409 and Refusal.read(doing, status, body).is_of_controllers:
            status, body = self._applied(kind, manifest, dry_run=dry_run, force=True)
        return self._read(doing, status, body)

    def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Creates what is only asked and never kept, as access reviews are."""
        self.calls.reads += 1
        status, body = self._ask("POST", kind.path(self.namespace), body=manifest)
        return self._read(f"{kind.name} was not answered", status, body)

    def delete(self, kind: Kind, name: str, *, uid: str) -> None:
        """Deletes just the object that was looked at, and what belongs to it; fine where it is gone."""
        self.calls.writes += 1
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        status, body = self._ask("DELETE", kind.path(self.namespace, name), body=options)
        # 409: another one has its name by now, which is not ours to judge
        if status not in (404, 409):
            self._read(f"{kind.name} {name!r} was not deleted", status, body)

    def logs(self, pod: str, container: str, *, tail: int, previous: bool = False) -> list[str] | None:
        """The last lines of a container, newest last; None where there are none to be had: not started, or gone."""
        self.calls.reads += 1
        query = {"container": container, "tailLines": str(tail), "previous": str(previous).lower()}
        status, body = self._ask("GET", f"{POD.path(self.namespace, pod)}/log", query)
        # not started yet, no earlier life, gone; a pod without a node answers with nothing at all (204)
        if status in (400, 404):
            return None
        if status >= 300:
            raise Refusal.read(f"the log of pod {pod!r} was not read", status, body).error(self.namespace)
        return body.decode(errors="replace").splitlines()

    def stream(self, kind: Kind, *, selector: str, fields: str, timeout_s: int) -> urllib3.BaseHTTPResponse:
        """What changes from now on, a line of JSON each, until the server ends it; shut it down to end it sooner.

        Raises:
            BackendUnavailable, BackendRefused: it was not begun.
        """
        self.calls.reads += 1
        query = {"watch": "true", "labelSelector": selector, "fieldSelector": fields, "timeoutSeconds": str(timeout_s)}
        path = kind.path(self.namespace)
        response = self._send("GET", path, query, preload=False, read_s=timeout_s + _READ_S)
        if response.status != 200:
            body = response.read()
            raise Refusal.read(f"{kind.plural} were not watched", response.status, body).error(self.namespace)
        return response

    def close(self) -> None:
        """Closes the connections."""
        self.api.close()  # type: ignore[no-untyped-call]

    def headers(self) -> dict[str, str]:
        """What tells the API server who asks; a token that expires is renewed here."""
        auth = self.api.configuration.auth_settings().get("BearerToken")
        named = {"Authorization": str(auth["value"])} if auth and auth["value"] else {}
        return {"User-Agent": "moorage", "Accept": "application/json", **named}

    def _applied(self, kind: Kind, manifest: Manifest, *, dry_run: bool, force: bool) -> tuple[int, bytes]:
        if dry_run:
            self.calls.dry_runs += 1
        else:
            self.calls.writes += 1
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        path = kind.path(self.namespace, manifest["metadata"]["name"])
        return self._ask("PATCH", path, query, manifest, content_type="application/apply-patch+yaml")

    def _read(self, doing: str, status: int, body: bytes) -> Manifest:
        if status >= 300:
            raise Refusal.read(doing, status, body).error(self.namespace)
        found: Manifest = json.loads(body)
        return found

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        *,
        content_type: str = "application/json",
    ) -> tuple[int, bytes]:
        response = self._send(method, path, query or {}, body, content_type=content_type)
        return response.status, response.data

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Manifest | None = None,
        *,
        content_type: str = "application/json",
        preload: bool = True,
        read_s: float = _READ_S,
    ) -> urllib3.BaseHTTPResponse:
        asked = urlencode({name: value for name, value in query.items() if value})
        pool: urllib3.PoolManager = self.api.rest_client.pool_manager
        try:
            return pool.request(
                method,
                f"{self.server}{path}" + (f"?{asked}" if asked else ""),
                headers=self.headers() | ({"Content-Type": content_type} if body is not None else {}),
                body=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
                timeout=urllib3.Timeout(connect=_CONNECT_S, read=read_s),
                retries=_NO_RETRIES,
                preload_content=preload,
            )
        except HTTPError as exc:
            raise BackendUnavailable(
                f"The cluster at {self.server} does not answer ({type(exc).__name__}).",
                "",
                "See whether it runs and can be reached from here: kubectl version.",
            ) from exc


def _load(configuration: Configuration, context: str | None) -> None:
    """Reads KUBECONFIG as it is now: the client itself remembers what it was when it was imported."""
    if named := kubeconfig(os.environ):
        config.load_kube_config(named, context=context, client_configuration=configuration)  # type: ignore[no-untyped-call]
    elif context:
        raise config.ConfigException(f"a pod's own account has no context {context!r}")
    else:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
