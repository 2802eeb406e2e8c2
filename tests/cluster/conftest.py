"""A real cluster, as KUBECONFIG names it: what `deployments/kubernetes` says is applied as it stands, and used.

TESTS_HOST_ADDRESS is this machine's address as pods see it: a store is started there. TESTS_STORE names one that both
reach already, with its AWS_* variables set, in its stead. TESTS_IMAGES says where the environments' images are.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from moorage.deployment import State
from moorage.predictor import ServingTool
from moorage.serving.cluster.backend import ClusterBackend
from moorage.settings import Settings
from moorage.site import Site
from tests.cluster.cut import Wire, wire_to_api_server
from tests.cluster.kubectl import NAMESPACE, kubectl
from tests.seaweed import running_seaweed
from tests.serving.conftest import Workshop
from tests.waiting import until

ROOT = Path(__file__).parents[2]
DECLARED = ROOT / "deployments" / "kubernetes"
BUCKET = "moorage-cluster-tests"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says why nothing here runs, where nothing can."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    if here and (reason := _why_not()):
        for item in here:
            item.add_marker(pytest.mark.skip(reason=reason))


def _why_not() -> str:
    if not os.environ.get("KUBECONFIG"):
        return "no cluster: KUBECONFIG is not set"
    if not (os.environ.get("TESTS_HOST_ADDRESS") or os.environ.get("TESTS_STORE")):
        return "no store that pods reach: set TESTS_HOST_ADDRESS or TESTS_STORE"
    return ""


@dataclass(frozen=True)
class Cluster:
    """A namespace that is set up as `deployments/kubernetes` says.

    Attributes:
        store: URL of an empty store that pods reach.
        kubeconfig: of the account that deploys, which may do what its Role says and no more.
    """

    store: str
    kubeconfig: Path

    @property
    def settings(self) -> dict[str, str]:
        images = os.environ.get("TESTS_IMAGES", "moorage.test/{environment}:{version}")
        return {"store": self.store, "namespace": NAMESPACE, "images": images}


@contextmanager
def started_store() -> Iterator[str]:
    """The URL of an empty store that pods reach."""
    address = os.environ.get("TESTS_HOST_ADDRESS")
    if address is None:
        yield f"{os.environ['TESTS_STORE'].rstrip('/')}/{secrets.token_hex(4)}"
        return
    with running_seaweed(host=address) as server, pytest.MonkeyPatch.context() as patch:
        server.create_bucket(BUCKET)
        for name, value in server.variables.items():
            patch.setenv(name, value)
        yield f"s3://{BUCKET}/{secrets.token_hex(4)}"


@contextmanager
def prepared_cluster(store: str, folder: Path) -> Iterator[Cluster]:
    """The namespace, made anew; it is on its way out afterwards."""
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=100s")
    for file in ("namespace.yaml", "predictor.yaml", "deployer.yaml"):
        kubectl("apply", "-f", str(DECLARED / file))
    kubectl("apply", "-f", "-", stdin=_filled_secret())
    kubeconfig = folder / "deployer.kubeconfig"
    kubeconfig.write_text(_as_deployer())
    yield Cluster(store, kubeconfig)
    kubectl("delete", "--wait=false", "-f", str(DECLARED / "deployer.yaml"), "-f", str(DECLARED / "namespace.yaml"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with started_store() as store, prepared_cluster(store, tmp_path_factory.mktemp("deployer")) as cluster:
        yield cluster


def _filled_secret() -> str:
    secret = yaml.safe_load((DECLARED / "store-secret.yaml").read_text())
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
    secret["stringData"] |= {name: os.environ[name] for name in names if name in os.environ}
    return yaml.safe_dump(secret)


def _as_deployer() -> str:
    """The administrator's kubeconfig with the token of who deploys in it."""
    config = yaml.safe_load(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "yaml"))
    token = kubectl("create", "token", "moorage-deployer", "-n", NAMESPACE, "--duration=4h").strip()
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    return yaml.safe_dump(config)


def site_on(cluster: Cluster, folder: Path, **settings: str) -> Site:
    """A site of its own store prefix, that acts in the cluster as who deploys and nobody else."""
    values = cluster.settings | {"store": f"{cluster.store}/{secrets.token_hex(4)}"} | settings
    site = Site(Settings(home=folder / "home", **values), "ada@lovelace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(cluster.kubeconfig))
        for tool in (ServingTool.KUBERNETES, ServingTool.KSERVE):
            site.backend(tool)
    return site


def backend_of(site: Site, tool: ServingTool) -> ClusterBackend:
    """The backend, as what it is here."""
    backend = site.backend(tool)
    assert isinstance(backend, ClusterBackend)
    return backend


def remove(backend: ClusterBackend, deployment: str = "double") -> None:
    """Takes a deployment away, with every object of it."""
    backend.stop(deployment)
    gone = (State.STOPPED, State.CREATED)
    until(lambda: backend.observe(deployment).state in gone, timeout_s=120, what="the end")
    backend.delete(deployment)
    until(lambda: backend.observe(deployment).state is State.CREATED, timeout_s=60, what="the removal")


@pytest.fixture(scope="module", params=[ServingTool.KUBERNETES, ServingTool.KSERVE], ids=str)
def tool(request: pytest.FixtureRequest) -> ServingTool:
    found: ServingTool = request.param
    return found


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Site:
    return site_on(cluster, tmp_path)


@pytest.fixture
def workshop(site: Site, tmp_path: Path, tool: ServingTool) -> Workshop:
    return Workshop(site, tmp_path / "work", tool=tool)


@pytest.fixture
def backend(site: Site, tool: ServingTool) -> Iterator[ClusterBackend]:
    """A backend whose deployment `double` is gone afterwards."""
    backend = backend_of(site, tool)
    yield backend
    remove(backend)


@contextmanager
def wired_site(cluster: Cluster, site: Site, tool: ServingTool, folder: Path) -> Iterator[tuple[Site, Wire]]:
    """The same site with a way of its own to the API server, which can be cut."""
    with wire_to_api_server(cluster.kubeconfig, folder) as (wire, kubeconfig):
        through = Site(site.settings, site.actor)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(kubeconfig))
            backend_of(through, tool)
        yield through, wire


@contextmanager
def site_in_ending_namespace(site: Site, tool: ServingTool) -> Iterator[Site]:
    """The same site in a namespace that is being deleted, and held."""
    name = "moorage-ending"
    ending = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    held = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "holds", "namespace": name, "finalizers": ["tests.moorage.dev/holds"]},
    }
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all([ending, held]))
    kubectl("delete", "namespace", name, "--wait=false")
    try:
        elsewhere = Site(Settings(**(site.settings.model_dump() | {"namespace": name})), site.actor)
        backend_of(elsewhere, tool)  # as the administrator: who deploys has no rights there
        yield elsewhere
    finally:
        kubectl("patch", "configmap", "holds", "-n", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=60s")
